"""Recognises what a header says where it names nobody: ``Anonymized^Patient``, ``n.a.``, ``unbekannt``."""

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOBODY = _words("""
anon na nn nk nan nil null none no not non nobody noname unknown unnamed untitled unspecified undefined
undisclosed unavailable unassigned unidentified available applicable specified known given provided recorded
stated found entered disclosed assigned set removed deleted redacted withheld hidden masked blank blanked
empty missing void default dummy fake test tests testing tester demo sample example placeholder scrubbed
stripped cleared confidential private protected secret de id ids identifier identified identity information
info by tool recording recordings eeg biosemi patient patients patientid patientname pat pt subject subjects
subj subjectid sub participant person proband case client code mrn name names surname firstname lastname
first last family sex gender age birth birthdate dob johndoe janedoe male female man woman boy girl
unbekannt unbekannte unbekannter keine keiner kein keines entfernt geloscht geschwarzt leer ohne namenlos
nicht verfugbar angegeben vorhanden bekannt ungenannt unbenannt fehlt fehlend patientin testpatient
testperson vorname nachname mannlich weiblich mann frau mustermann inconnu inconnue aucun aucune supprime
supprimee efface effacee sans nom disponible renseigne renseignee specifie vide masque masquee identifie
identifiee prenom masculin feminin homme femme desconocido desconocida ninguno ninguna ningun eliminado
eliminada borrado borrada sin nombre vacio oculto masculino femenino hombre mujer paciente apellido
identificado sconosciuto sconosciuta ignoto ignota nessun nessuno nessuna rimosso rimossa cancellato
cancellata eliminato senza nome disponibile vuoto maschio femmina uomo donna paziente cognome desconhecido
desconhecida nenhum nenhuma removido removida apagado apagada sem nao disponivel vazio feminino homem mulher
unk tbd tba to be defined mr mrs ms miss herr angabe angaben connu conocido noto dato dati datos dados data
nameless phi hipaa deid noid nopatient nopatientid year years jahre ans anni anos
""")
"""Words that name nobody, in English, German, French, Spanish, Italian and Portuguese, without accents."""
_TOGETHER = _words("nn na oa nd sn ka johndoe janedoe doejohn doejane maxmustermann erikamustermann")
"""What several letters or words mean together: ``N.N.``, ``John Doe``."""
_KINDS = re.compile(
    r"[xmfw]|x+|0+|9{3,}|(anon[iy]m|pseudon[iy]m|deident|desident)[^\W\d_]*|\d{1,3}(y|yr|yrs|years?|yo|j|jahre|ans)"
)
_AGE = re.compile(r"(?<![^\W_])(?:[mfw] +\d{1,3}|(?:male|female|age)[\W_]*\d{1,3}|\d{1,3} +[mfw])(?![^\W_])")
_DATE = re.compile(
    r"(?<![^\W_])(?:\d{1,2}[-./ ](?:\d{1,2}|[^\W\d_]{3,9})[-./ ]\d{4}|\d{4}[-./]\d{1,2}[-./]\d{1,2})"
    r"(?![^\W_])"
)


def is_placeholder(text: str) -> bool:
    """Says whether a text of a header's patient field names nobody.

    Every word of it is one for nobody, a sex, an age or a date, or it has no letter and no digit at all.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", _AGE.sub(" ", _DATE.sub(" ", plain)))
    known = all(word in _NOBODY or _KINDS.fullmatch(word) for word in words)
    return known or "".join(words) in _TOGETHER
