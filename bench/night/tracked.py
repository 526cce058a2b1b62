"""What an experiment tracker was told: the rows in the file of an offline run of Weights & Biases."""

import json
from pathlib import Path


def epochs_told(directory: Path) -> list[int]:
    """The epochs in the newest offline run below a directory of a run; none where there is none."""
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    files = sorted(directory.glob("wandb/offline-run-*/*.wandb"))
    store, found = DataStore(), list[int]()
    if not files:
        return found
    store.open_for_scan(str(files[-1]))
    while data := store.scan_data():
        record = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]
        record.ParseFromString(data)
        for item in record.history.item:
            if (item.key or ".".join(item.nested_key)) == "epoch":
                found.append(json.loads(item.value_json))
    return found
