# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's rules as `nft list table` prints them, made comparable: kinds of policy, and what differs between runs.

What is a number of this run becomes one that says which it is:

    names with a fence's number       out_1 is the first fence of the listing, out_2 the second
    epochs in connection marks        0x00000100 the first fence's, 0x00000200 the second's; zones 2 and 3
    cgroups, by number or by path     cgroup-above is the directory of all fences, cgroup-1 the first fence's
    the resolver's port               port-1, port-2
    the engine's user                 engine
    counters                          0
    elements of sets                  sorted

What nft of another version, or on another kernel, prints in another way becomes one way:

    flags, the program's name         left out (an owner needs Linux 5.12, persist 6.9)
    queue                             "queue num N", "queue to N", xt target "NFQUEUE", and nothing at all, which is how
                                      nft without xtables prints a target: "queue to queue"
    priorities                        numbers: "filter - 2" is -2
    numbers behind raw fields (@th,…) hexadecimal, as wide as the field: nft before 1.0.7 has the mask of a field of one
                                      byte at the wrong end of four
    tcp flags                         "tcp flags syn / syn,ack" and "tcp flags & (syn | ack) == syn" are the second
    a mark that is changed            "set mark & ~A | B" is "& KEEP | B" with KEEP without the bits of B
    masks                             "ct mark 0xc0000000/4" is "ct mark & 0xf0000000 == 0xc0000000"
"""
import os
import re

import lab as L
import topo

GOLDEN = os.path.join(L.ROOT, "tests/net/golden")
SHARED = "table"  # the file of what is there for all fences

HOOKS = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}

TOOLS = """
tools:
  fetch:
    command: [/usr/bin/sleep, "{int:1-1000}"]
    egress: [other.test]
"""

# A policy a kind; what the agent runs, where that matters.
KINDS = {
    "nothing": L.policy(),
    "names": L.policy("api.allowed.test", "*.cdn.test"),
    "addresses": L.policy("tcp://10.9.0.0/16:5432", "udp://203.0.113.30:9000", "tcp://[2001:db8:9::/48]:5432",
                          "tcp://203.0.113.24/29:9001", deny=("203.0.113.31",)),
    "http": L.policy("http://api.allowed.test"),
    "ingress": L.policy(extra="ingress:\n  - {to: \"198.51.100.2:7000\", from: [%s]}\n"
                              "  - {to: \"udp://[2001:db8:1::2]:7000\", from: [\"%s\"]}\n" % (topo.ALLOWED4, topo.ALLOWED6)),
    "audit": L.policy("api.allowed.test", extra="mode: audit\n"),
    "tool": L.policy("api.allowed.test", extra=TOOLS),
}


def run(lab, kind):
    """The fence stands as long as what this returns."""
    if kind != "tool":
        return lab.start(KINDS[kind], ["/bin/sh", "-c", "echo READY; exec sleep 1000"])
    h = lab.start(KINDS[kind], ["/bin/sh", "-c", "%s tool fetch 900 & echo READY; wait" % L.AGENTCTL])
    L.until(lambda: len(re.findall(r"goto \S*dns_[0-9]", listing(lab))) == 2, 10, "the tool has no fence")
    return h


def listing(lab):
    r = lab.bare(["nft", "list", "table", "inet", "agentfw"])
    L.check(r.rc == 0, r.tell())
    return r.out


# ---- one way for what is the same ------------------------------------------------------------------

def _elements(m):
    return "elements = { %s }" % ", ".join(sorted(re.split(r",\s+", m[1].strip())))


def _number(text):
    return int(text, 16 if text.startswith("0x") else 10)


def _raw(m):
    """@base,offset,bits [& mask] [operator] value."""
    bits, mask, op, value = int(m[2]), m[3], m[4] or "==", _number(m[5])
    text = m[1]
    if mask:
        mask = _number(mask)
        if mask >> bits:
            mask >>= 32 - bits
        text += " & 0x%x" % mask
    return "%s %s 0x%x" % (text, op.strip(), value)


def _changed(m):
    keep, bits = _number(m[3] or "0xffffffff"), _number(m[4] or "0")
    return "%s set %s & 0x%08x | 0x%08x" % (m[1], m[2], keep & ~bits, bits)


def _prefix(m):
    width = int(m[3])
    return "%s & 0x%08x == 0x%08x" % (m[1], 0xffffffff ^ (0xffffffff >> width), _number(m[2]))


def _flag_set(text):
    return "(%s)" % " | ".join(text.split(",")) if "," in text else text


def _flags(m):
    return "tcp flags & %s == %s" % (_flag_set(m[2]), _flag_set(m[1]))


def one_way(rule):
    """A rule's text, however this nft prints it."""
    rule, comment = re.match(r'(.*?)( ?comment ".*")?$', rule.strip()).groups()
    return _rule(rule) + (comment or "")


def _rule(rule):
    rule = re.sub(r'queue (num|to|flags)\b.*|xt target "NFQUEUE".*', "queue to queue", rule)
    rule = re.sub(r"(@[a-z]+,\d+,(\d+))(?: & (0x[0-9a-f]+))?( ==| !=| >| <)? (0x[0-9a-f]+|\d+)(?![\w.])", _raw, rule)
    rule = re.sub(r"tcp flags (\S+) / (\S+)", _flags, rule)
    rule = re.sub(r"tcp flags ! (\S+)", lambda m: "tcp flags & %s == 0x0" % _flag_set(m[1]), rule)
    rule = re.sub(r"(ct mark|meta mark) (0x[0-9a-f]+)/(\d+)", _prefix, rule)
    rule = re.sub(r"((?:ct|meta) mark) set ((?:ct|meta) mark)(?: & (0x[0-9a-f]+))?(?: \| (0x[0-9a-f]+))?", _changed, rule)
    rule = re.sub(r"ct label (?:&|and) (\d+) == \1", r"ct label \1", rule)
    rule = re.sub(r"priority (\w+)(?: ([+-]) (\d+))?;", lambda m: "priority %d;" % (
        HOOKS.get(m[1], 0) + int((m[2] or "+") + (m[3] or "0"))), rule) if "priority -" not in rule else rule
    return rule


# ---- numbers of this run ---------------------------------------------------------------------------

def objects(text):
    """[(head, lines)] of a listing: "chain out" and its rules, in the order of the listing."""
    text = re.sub(r"elements = \{(.*?)\}", _elements, text, flags=re.S)
    found = []
    for line in text.splitlines()[1:]:
        if re.match(r"\t\w.*\{$", line):
            found.append((line.strip(" \t{"), []))
        elif line.startswith("\t\t") and found:
            found[-1][1].append(line.strip())
    return found


def fence_number(head):
    m = re.search(r"_(\d+)$", head)
    return int(m[1]) if m else 0


def normal(text):
    """A listing as objects whose text is the same in each run, see above."""
    text = re.sub(r"(packets|bytes) \d+", r"\1 0", text)
    found = objects(text)
    ids = sorted({fence_number(h) for h, _ in found} - {0})
    of = {n: i + 1 for i, n in enumerate(ids)}
    own, cgroups, ports = {}, {}, {}
    for head, lines in found:
        for mark, n in re.findall(r"(0x\w+) : goto own_(\d+)", " ".join(lines)):
            own[_number(mark) >> 8 & 0xffff] = of[int(n)]
        for cgroup, to in re.findall(r'("[^"]+"|(?<!\w)(?<!\. )\d+) : goto (\w+)', " ".join(lines)):
            cgroups[cgroup] = "cgroup-%s" % (of.get(fence_number(to), "above"))
        for port in re.findall(r"redirect to :(\d+)", " ".join(lines)):
            ports[port] = "port-%d" % of[fence_number(head)]

    def mark(m):
        v = _number(m[0])
        return "0x%08x" % (v & ~0x00ffff00 | own[v >> 8 & 0xffff] << 8) if v >> 8 & 0xffff in own else m[0]

    def line(head, text):
        if head.startswith("chain"):
            text = one_way(text)
        text = re.sub(r"(?<![\w,])0x[0-9a-f]{8}\b", mark, text)
        text = re.sub(r"meta skuid \S+", "meta skuid engine", text)
        text = re.sub(r"ct original zone set (\d+)$", lambda m: "ct original zone set %d" % (1 + own.get(int(m[1]) - 1, 0)), text)
        text = re.sub(r"\b([a-z]\w*_)(\d+)\b", lambda m: m[1] + str(of.get(int(m[2]), m[2])), text)
        text = re.sub(r"socket cgroupv2 level 2 (?!vmap)(\S+)", lambda m: "socket cgroupv2 level 2 cgroup-%d" %
                      of[fence_number(head)], text)
        for number, name in list(cgroups.items()) + list(ports.items()):
            text = re.sub(r"(?<![\w\"])%s(?!\w)" % re.escape(number), name, text)
        return text

    out = []
    for head, lines in found:
        new = [line(head, l) for l in lines]
        if head.startswith("chain"):
            new = _empty_rules(head, new)
        new = [re.sub(r"elements = \{ (.*) \}", lambda m: "elements = { %s }" % ", ".join(sorted(m[1].split(", "))), l) for l in new]
        out.append((re.sub(r"_(\d+)$", lambda m: "_%d" % of[int(m[1])], head), new))
    return out


def _empty_rules(head, lines):
    """A rule of a target alone may be printed as nothing, but for its comment; one that only loads a register is. The
    chain's own comment comes first."""
    if head == "chain probe":
        return lines[:1]
    return lines[:1] + [re.sub(r'^(?=comment ")|^$', "queue to queue ", l).strip() for l in lines[1:]]


def text_of(found):
    return "\n".join("%s {\n%s}\n" % (h, "".join("\t%s\n" % l for l in lines)) for h, lines in found)


def split(found):
    """(what is there for all fences, without their elements; what is each fence's)."""
    shared, fences = [], []
    for head, lines in found:
        if fence_number(head):
            fences.append((head, lines))
            continue
        of_fences = [l for l in lines if l.startswith("elements") and "-1" in l or "goto own_" in l or "goto others_begin" in l]
        shared.append((head, [l for l in lines if l not in of_fences]))
        if of_fences:
            fences.append((head, of_fences))
    return shared, fences


def path(kind):
    return os.path.join(GOLDEN, kind + ".nft")


def seen(lab, kind):
    """What is to be in the two files: of the table, and of this kind."""
    h = run(lab, kind)
    try:
        shared, fences = split(normal(listing(lab)))
    finally:
        h.stop()
    return text_of(shared), text_of(fences)


# ---- the text at the heads of fw/nft/*.c -----------------------------------------------------------
#
# Blocks "chain NAME {" to "}", as nft has them, with names from fw/ipc/engine_msg.h for the numbers ($PKT_PASS, and
# ~$A for all other bits), N for the fence's number, $EPOCH, $PORT, $CGROUP and $ZONE for what is its own, $ENGINE for the engine's user. A rule's line
# goes on behind a backslash; "..." stands for rules that another file makes; "# if CONDITION, ..." behind a rule or
# a chain says when it is there, other words behind # are words. A chain NAME4_N is NAME6_N as well, in the words of
# IPv6, unless that has a block of its own.

FAMILY6 = (("4_N", "6_N"), ("no_payload4", "no_payload6"), ("@nh,128,32", "@nh,192,128"), ("@nh,96,32", "@nh,64,128"),
           ("0x7f000001", "0x1"))


def defines():
    """What engine_msg.h calls the bits of marks."""
    text = open(os.path.join(L.ROOT, "fw/ipc/engine_msg.h")).read().replace("\\\n", " ")
    value = {}
    for name, what in re.findall(r"^#define ((?:PKT|CT)_\w+)\s+(.*?)\s*(?:/\*.*)?$", text, re.M):
        what = re.sub(r"\b(0x[0-9a-f]+|\d+)u\b", r"\1", what)
        value[name] = eval(re.sub(r"\b[A-Z]\w+", lambda m: str(value[m[0]]), what)) & 0xffffffff
    return value


def numbers(text, value):
    """The expressions of a heading as numbers, as nft prints them."""
    text = re.sub(r"\$(\w+)", lambda m: "0x%08x" % value[m[1]] if isinstance(value[m[1]], int) else value[m[1]], text)
    atom = r"(0x[0-9a-f]{8})"
    while True:
        new = re.sub(r"\((~?0x[0-9a-f]{8}(?: [|&] ~?0x[0-9a-f]{8})*)\)", lambda m: "0x%08x" % (eval(m[1]) & 0xffffffff), text)
        new = re.sub(r"(?<!\()~" + atom + r"(?! ?[&)])", lambda m: "0x%08x" % (~int(m[1], 16) & 0xffffffff), new)
        if new == text:
            break
        text = new
    text = re.sub(r"(mark & %s [!=]= )%s((?: \| %s)+)" % (atom, atom, atom), _joined, text)
    return re.sub(r"(set (?:ct|meta) mark & %s \| )%s((?: \| %s)+)" % (atom, atom, atom), _joined, text)


def _joined(m):
    v = int(m[3], 16)
    for more in re.findall(r"0x[0-9a-f]+", m[4]):
        v |= int(more, 16)
    return m[1] + "0x%08x" % v


def headings():
    """[(file, chain, conditions, [(rule, conditions)])] of fw/nft/*.c."""
    found = []
    for name in sorted(os.listdir(os.path.join(L.ROOT, "fw/nft"))):
        if not name.endswith(".c"):
            continue
        head = open(os.path.join(L.ROOT, "fw/nft", name)).read().split("*/")[0]
        head = re.sub(r"^ \* ?", "", head, flags=re.M)
        head = re.sub(r"[ \t]*\\\n\s*", " ", head)
        for m in re.finditer(r"^ +chain (\w+) \{(?: *# ([^\n]*))?\n(.*?)^ +\}$", head, re.M | re.S):
            rules = [_condition(l) for l in m[3].splitlines() if l.strip()]
            found.append((name, m[1], _condition("# " + (m[2] or ""))[1], rules))
    return found


def map_headings():
    """[(file, map, key, where it leads)]: "map NAME { KEY : goto CHAIN }"."""
    found = []
    for name in sorted(os.listdir(os.path.join(L.ROOT, "fw/nft"))):
        if name.endswith(".c"):
            head = open(os.path.join(L.ROOT, "fw/nft", name)).read().split("*/")[0]
            found += [(name,) + m for m in re.findall(r"^ \* +map (\w+) \{ (.*) : goto (\w+) \}$", head, re.M)]
    return found


def _condition(line):
    rule, _, words = line.partition("#")
    return rule.strip(), set(words.strip()[3:].split(", ")) if words.strip().startswith("if ") else set()
