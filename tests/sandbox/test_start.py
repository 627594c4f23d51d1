"""The start of a box: what happens at its worst moments, and on hosts that give it little."""
from box import check, modes


@modes("user")
def test_little_memory(box):
    """A limit is the command's: the start needs next to nothing of it."""
    for memory in ("2M", "12M"):
        r = box.tool(dict(box.profile(limits={"memory": memory}), command=["/bin/true"]))
        check(r.rc == 0, memory, r.tell())


@modes("root", "user")
def test_script_without_interpreter_line(box):
    """The C library hands it to the shell with all its arguments, however many."""
    script = box.file("script", "echo $#\n", 0o755)
    p = dict(box.profile(), command=[script, "{args}"], exec=[{"path": "/bin/sh", "broad": True}], read=[script])
    words = ["x"] * 60000
    r = box.tool(p, *words)
    check(r.rc == 0 and r.out == "60000\n", r.tell()[-300:])
