"""Shows what a digest or a file is: a version, something that one needs, or the artifact of an asset."""

from blut_assets.cli.commands import model_rows as rows
from blut_assets.cli.views.models import as_json as told
from blut_assets.terminal.output import print_json, wrong


def show(asked: str, as_json: bool) -> bool:
    """Print what is known of the artifact; returns whether there is one."""
    from blut_assets.cli.run.ancestry import Ancestry
    from blut_assets.history.identify import Ambiguous, Unknown, identify
    from blut_assets.history.lineage import Lineage
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.registry.models import ModelRegistry

    with open_instance(write=False) as instance:
        store, lineage = store_of(instance), Lineage(instance)
        registry = ModelRegistry(store.root / "registry")
        try:
            found = [one.digest for one in identify(asked, lineage, store)]
        except Ambiguous as error:
            wrong(str(error))
        except Unknown:
            return False
        ancestry = Ancestry(instance, store, lineage)
        versions = [record for name in registry.names() for record in registry.versions(name).values()]
        judged = [record for record in versions if record.candidate in found]
        if as_json:
            whole = [told(registry, record) for record in judged]
            print_json({"artifacts": [ancestry.node(digest) for digest in found], "versions": whole})
        elif judged:
            print("\n\n".join(rows.story(registry, store, record) for record in judged))
        else:
            print("\n".join(f"{ancestry.title(digest)}: `blut lineage {digest[:12]}`" for digest in found))
    return True
