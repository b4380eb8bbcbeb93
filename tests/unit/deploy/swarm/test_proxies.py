from builder.deploy.swarm.proxies import pack_files, unpack_files
from builder.render.proxy import first_maps


def test_files_of_a_label_are_read_as_they_were_written() -> None:
    files = {**first_maps(), "haproxy.cfg": b"global\n" * 1000}
    assert unpack_files(pack_files(files)) == files
    assert pack_files(files) == pack_files(dict(reversed(files.items())))
