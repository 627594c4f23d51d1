# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's rules as an administrator sees them: what `nft list table inet agentfw` prints, and that the text at the
heads of fw/nft/*.c is what the kernel has."""
import difflib
import os
import re

import lab as L
import rules
from lab import check


def differences(kind, text):
    with open(rules.path(kind)) as f:
        golden = f.read()
    return "".join(difflib.unified_diff(golden.splitlines(True), text.splitlines(True), rules.path(kind), "the kernel's"))


def as_listed(lab, kind):
    """The listing is the one that was looked at: tests/net/golden/update writes it anew."""
    L.need_program("nft")
    shared, fences = rules.seen(lab, kind)
    wrong = differences(rules.SHARED, shared) + differences(kind, fences)
    check(not wrong, lab.bare(["nft", "--version"]).out.strip(), "prints, of a policy with", kind + ":\n" + wrong)


def test_nothing(lab):
    as_listed(lab, "nothing")


def test_names(lab):
    as_listed(lab, "names")


def test_addresses(lab):
    as_listed(lab, "addresses")


def test_http(lab):
    as_listed(lab, "http")


def test_ingress(lab):
    as_listed(lab, "ingress")


def test_audit(lab):
    as_listed(lab, "audit")


def test_tool(lab):
    """A tool's fence stands beside the agent's, with a part of the table of its own."""
    as_listed(lab, "tool")


# ---- the heads of fw/nft/*.c -----------------------------------------------------------------------

def chains(kind):
    """Rules by chain, without comments, of a golden file and the one of the whole table."""
    found = {}
    for name in (rules.SHARED, kind):
        with open(rules.path(name)) as f:
            for m in re.finditer(r"^chain (\w+) \{\n(.*?)^\}", f.read(), re.M | re.S):
                lines = [re.sub(r' ?comment ".*"$', "", l.strip()) for l in m[2].splitlines()]
                found[m[1]] = [l for l in lines if l and not l.startswith("type ")]
    return found


def holding(kind, number):
    """Which conditions of headings hold for this fence of a golden file."""
    with open(rules.path(kind)) as f:
        text = f.read()
    return {"fib", "last look"} | \
        ({"ingress"} if "set pairs4_%d " % number in text else set()) | \
        {"direct%d" % v for v in (4, 6) if re.search(r"set direct%d_%d \{[^}]*elements" % (v, number), text)}


def of_fence(text, number, value):
    text = re.sub(r"_N\b", "_%d" % number, text)
    own = {"EPOCH": number << 8, "PORT": "port-%d" % number, "CGROUP": "cgroup-%d" % number, "ZONE": str(1 + number), "ENGINE": "engine"}
    return rules.one_way(rules.numbers(text, dict(value, **own)))


def expected(lines, holds, number, value):
    """The rules of a heading's block that are there under these conditions; None stands for what others make."""
    return [None if rule == "..." else of_fence(rule, number, value) for rule, when in lines if when <= holds]


def fits(want, got):
    if None not in want:
        return want == got
    rest = [w for w in want if w is not None]
    return any(got[i:i + len(rest)] == rest for i in range(len(got)))


def family6(text):
    for four, six in rules.FAMILY6:
        text = text.replace(four, six)
    return text


def blocks():
    """All blocks, with those of IPv6 that are said in the words of IPv4."""
    heads = rules.headings()
    names = {chain for _, chain, _, _ in heads}
    for file, chain, when, lines in heads:
        yield file, chain, when, lines, {"IPv4"}
        if family6(chain) != chain and family6(chain) not in names:
            yield file, family6(chain), when, [(family6(r), w) for r, w in lines], {"IPv6"}


def test_headings(lab):
    """The nft text at the heads of fw/nft/*.c is what the golden files have, and each of their chains has a heading."""
    value, headed = rules.defines(), set()
    for kind in rules.KINDS:
        found = chains(kind)
        numbers = sorted({rules.fence_number("_" + c) for c in found} - {0})
        check(numbers, "no fence in", kind)
        for file, chain, when, lines, family in blocks():
            for n in numbers if chain.endswith("_N") else [0]:
                holds = holding(kind, n or 1) | family
                holds |= {"direct"} if "direct%d" % (6 if "IPv6" in family else 4) in holds else set()
                name = re.sub(r"_N$", "_%d" % n, chain)
                check((name in found) == (when <= holds), file, "has, and the kernel has not, or otherwise:", name)
                if name not in found:
                    continue
                want, got = expected(lines, holds, n, value), found[name]
                check(fits(want, got), "fw/nft/" + file, "says of", name, "with", kind + ":\n" + "\n".join(
                    difflib.unified_diff([w or "..." for w in want], got, "the heading", "the kernel", lineterm="")))
                if None not in want:
                    headed.add((kind, name))
        same = {"own_answered_%d" % n for n in numbers}  # as in_answered_N
        for n in numbers:
            check(found["own_answered_%d" % n] == found["in_answered_%d" % n], "own_answered is not as in_answered")
        missing = [c for c in found if (kind, c) not in headed and c not in same and c not in ("empty", "probe")]
        check(not missing, "no heading of fw/nft/*.c has", missing)


def test_map_headings(lab):
    """The same of maps: each element of a fence is said, and no other."""
    value = rules.defines()
    for kind in rules.KINDS:
        with open(rules.path(kind)) as f:
            elements = re.findall(r"^map (\w+) \{\n\telements = \{ (.*) \}", f.read(), re.M)
        got = {(name, e) for name, all_of in elements for e in all_of.split(", ")}
        want = set()
        for n in range(1, 1 + max(int(m[1]) for _, e in got if (m := re.search(r"_(\d+)$", e)))):
            for _, name, key, chain in rules.map_headings():
                key = of_fence("(%s)" % key if "|" in key else key, n, value)
                want.add((name, "%s : goto %s" % (key, of_fence(chain, n, value))))
        check(got == want, kind, "the headings:", sorted(want - got), "the kernel:", sorted(got - want))


def test_comments(lab):
    """They fit into what nft takes, and no chain but the two that hold no rules of ours goes without."""
    for kind in [rules.SHARED] + list(rules.KINDS):
        with open(rules.path(kind)) as f:
            text = f.read()
        long = [c for c in re.findall(r'comment "(.*)"$', text, re.M) if len(c) > 120]
        check(not long, long)
        bare = [m[1] for m in re.finditer(r"^chain (\w+) \{\n(\t.*\n)?", text, re.M) if not (m[2] or "").startswith("\tcomment")]
        check(not bare, "without a comment:", bare)


def test_whose_it_is(lab):
    """The table says so, and each fence's cgroup is there by its path, not by a number from the wrong end."""
    L.need_program("nft")
    h = rules.run(lab, "nothing")
    cgroup, text = os.path.basename(h.cgroup()), rules.listing(lab)
    h.stop()
    check(re.search(r'^\tcomment "agentfw: .*agentfwd\(8\)"$', text, re.M), text[:200])
    check(re.search(r'"[^"]*/%s" : goto out_\d+' % re.escape(cgroup), text), cgroup, re.findall("elements.*goto out.*", text))
