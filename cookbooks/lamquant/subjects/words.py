"""Lists words that name no patient: sessions, kinds of recording, conditions, groups; and those that do."""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SESSION = _words("""
ses sess session sessions visit visits vis night nights nuit nacht day days tag jour week weeks woche month
months monat year years jahr date baseline base bl followup follow fu pre post before after vor nach start end
morning evening pm timepoint tp time wave stage phase period sitzung besuch visite seance first second third
initial final screening admission discharge feb apr jul sep oct nov dec january february march july september
october november december monday tuesday wednesday thursday friday saturday sunday
""")
RECORDING = _words("""
rec record recording recordings aufnahme messung run runs trial trials task tasks block part parts teil seg
segment segments clip chunk file files exam examination untersuchung study measurement acquisition acq exp
experiment series serie scan take sample epoch number nr no num index copy kopie final new old orig original
split out output export exports dump
""")
MODALITY = _words("""
eeg ieeg seeg ecog meg ecg ekg emg eog psg hypnogram video edf bdf edfs bdfs gz lml lma data daten raw signal
signals anonymized anonymised anon anonymous anonym deidentified deid clean cleaned filtered preproc
preprocessed processed derivatives physio polysomnography sleep schlaf wake wach awake asleep routine longterm
ltm emu icu amb ambulatory standard portable telemetry cassette tcp mono montage ref avg monopolar bipolar
unknown unnamed untitled
""")
CONDITION = _words("""
rest resting restingstate rs ruhe open closed eyes eye eo ec eyesopen eyesclosed stim stimulus sham active
placebo drug med meds medication nomed on off hv ps hyperventilation photic ictal interictal preictal
postictal seizure seizures sz nonseizure background bckg nrem rem left right motor imagery imag auditory
visual oddball p300 music story silence
""")
PEOPLE = _words("""
normal abnormal epilepsy epileptic noepilepsy control controls healthy patients subjects participants cases
adult adults children pediatric paediatric neonate neonates neonatal male female
""")
"""Words for a group of people; with a number behind it, one of them."""
CONTAINER = _words("""
train training val valid validation dev eval evaluation test testing cohort group gruppe arm batch set dataset
datasets corpus archive version database db level department ward lab folder dir directory
""")
SITE = _words("""
site centre center hospital clinic klinik institute
""")
SUBJECT = _words("""
id mrn sub subj subject pat patient pt participant case person proband client infant dog animal mouse rat
""")
"""Words after which a number or a name is that of a subject."""
COUNTED = SESSION | RECORDING | MODALITY | CONTAINER
"""Words after which a number counts them, and no people."""
COMMON = COUNTED | CONDITION | PEOPLE | SITE
_LED = re.compile(r"(?P<word>[^\W\d_]+)(?P<number>\d+[a-z]?)")


def is_common(piece: str) -> bool:
    """Says whether a piece of a name, folded, is a common word, or a counted one: ``visit2``."""
    led = _LED.fullmatch(piece)
    return piece in COMMON or bool(led and led["word"] in COUNTED | CONDITION)


def counts(piece: str) -> bool:
    """Says whether a number behind this piece counts recordings or sessions: ``rec`` and ``rec1``."""
    led = _LED.fullmatch(piece)
    return piece in COUNTED or bool(led and led["word"] in COUNTED)


def is_site(piece: str) -> bool:
    """Says whether a piece of a name, folded, names a site: ``siteb`` or ``clinic12``."""
    return any(piece.startswith(word) and len(piece) - len(word) <= 2 for word in SITE)


def is_subject(piece: str) -> bool:
    """Says whether a piece of a name, folded, is a word for a subject with a number: ``patient12``."""
    led = _LED.fullmatch(piece)
    return bool(led and led["word"] in SUBJECT)
