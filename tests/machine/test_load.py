from tuitrain.machine.load import Machine


def test_the_load_is_known_from_the_second_measurement() -> None:
    machine = Machine()
    assert machine.load().cpu is None
    load = machine.load()
    assert load.cpu is not None
    assert 0 <= load.cpu <= 1
    assert load.cores >= 1
    assert 0 < load.memory < load.total_memory
