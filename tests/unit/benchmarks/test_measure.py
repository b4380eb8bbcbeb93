"""Bytes of an image, and what the kernel's files say."""

import os

from benchmarks.build.measure import (
    Image,
    available_bytes,
    busy_seconds,
    count_shipped,
    measured,
    read_image,
)

OLD = Image("sha256:old", ("c1", 10), (("base", "b", 1000), ("app", "a1", 200)))
NEW = Image("sha256:new", ("c2", 11), (("base", "b", 1000), ("app", "a2", 300), ("app", "x", 1)))


def test_bytes_are_counted_against_what_registry_and_host_have() -> None:
    shipped = count_shipped(NEW, {**OLD.blobs, "x": 1}, OLD)
    assert shipped.pushed == 311
    assert shipped.pulled == 312
    assert shipped.image == 1312
    assert (shipped.layers, shipped.layers_reused) == (3, 2)


def test_a_host_that_has_nothing_pulls_all() -> None:
    assert count_shipped(NEW, OLD.blobs, None).pulled == 1312


def test_the_same_image_ships_nothing() -> None:
    shipped = count_shipped(OLD, OLD.blobs, OLD)
    assert (shipped.pushed, shipped.pulled) == (0, 0)
    assert shipped.layers == shipped.layers_reused


def test_what_an_image_has_twice_is_shipped_once() -> None:
    twice = Image("d", ("c", 1), (("one", "e", 30), ("two", "e", 30)))
    shipped = count_shipped(twice, {}, None)
    assert (shipped.pushed, shipped.pulled, shipped.image, shipped.layers) == (31, 31, 31, 1)


MANIFEST = {
    "config": {"digest": "c", "size": 5},
    "layers": [{"digest": "a", "size": 1}, {"digest": "b", "size": 2}],
}


def test_layers_have_the_steps_of_the_history_but_those_without_a_layer() -> None:
    history = [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}, {}]
    image = read_image("d", MANIFEST, {"history": history})
    assert image.layers == (("ADD", "a", 1), ("", "b", 2))
    assert image.blobs == {"c": 5, "a": 1, "b": 2}


def test_a_history_that_does_not_fit_names_no_step() -> None:
    assert read_image("d", MANIFEST, {"history": [{"created_by": "ADD"}]}).layers[0][0] == ""
    assert read_image("d", MANIFEST, {}).layers == (("", "a", 1), ("", "b", 2))


def test_idle_and_waiting_cores_are_not_busy() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"cpu  {ticks} {ticks} {ticks} {9 * ticks} {7 * ticks} {ticks} {ticks} {5 * ticks} 0 0\n"
    assert busy_seconds(stat + "cpu0 1 1 1 1 1 1 1 1 1 1\n") == 5.0


def test_available_memory_is_in_bytes() -> None:
    assert available_bytes("MemTotal:  9 kB\nMemFree:  1 kB\nMemAvailable:  3 kB\n") == 3072


def test_what_runs_is_measured() -> None:
    with measured() as cost:
        sum(range(2_000_000))
    assert cost.wall_s > 0
    assert cost.cpu_s >= 0
