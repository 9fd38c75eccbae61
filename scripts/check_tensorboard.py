#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own reader and compares them with the run's metrics.jsonl and samples/.

    python check_tensorboard.py RUN     fails unless every number of every step is there once, and every picture
    python check_tensorboard.py         prints the record that the golden test of src/experiment/tensorboard.rs holds

Needs `pip install tensorboard`.
"""

import io
import json
import pathlib
import struct
import sys


def golden():
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    values = [Summary.Value(tag="d_loss", simple_value=0.25), Summary.Value(tag="g_loss", simple_value=-2.0)]
    event = Event(wall_time=1.5, step=300, summary=Summary(value=values))
    file = io.BytesIO()
    RecordWriter(file).write(event.SerializeToString())
    print(file.getvalue().hex())


def check(run):
    from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator

    events = EventAccumulator(str(run), size_guidance={SCALARS: 0, IMAGES: 0}, purge_orphaned_data=False)
    events.Reload()
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = {key for line in metrics for key in line} - {"step"}
    assert set(events.Tags()["scalars"]) == keys, (events.Tags()["scalars"], keys)
    for key in sorted(keys):
        found = [(event.step, event.value) for event in events.Scalars(key)]
        single = lambda value: struct.unpack("f", struct.pack("f", value))[0]
        written = [(line["step"], single(line[key])) for line in metrics if key in line]
        assert found == written, f"{key}: {found[:3]} ... {found[-3:]} is not {written[:3]} ... {written[-3:]}"
    samples = {int(path.stem.removeprefix("step_")): path.read_bytes() for path in (run / "samples").glob("step_*.png")}
    pictures = events.Images("samples")
    assert [picture.step for picture in pictures] == sorted(samples), [picture.step for picture in pictures]
    for picture in pictures:
        png = samples[picture.step]
        assert picture.encoded_image_string == png
        assert struct.pack(">II", picture.width, picture.height) == png[16:24]
    print(f"{run}: {len(metrics)} steps of {', '.join(sorted(keys))} and {len(pictures)} pictures, each once")


if __name__ == "__main__":
    check(pathlib.Path(sys.argv[1])) if len(sys.argv) > 1 else golden()
