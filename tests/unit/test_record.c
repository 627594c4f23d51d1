// SPDX-License-Identifier: GPL-2.0-or-later
/* events.jsonl and denied.pcap: what is written, folded, lost, and found again after a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fw/record/denial_text.h"
#include "fw/record/record.h"
#include "policy/base/cleanup.h"
#include "tests/unit/lab/record.h"

#define SECOND 1000000000ull

struct lab {
	char dir[64], events[96], pcap[96];
	struct record *r;
};

static const struct record_fence fence = {.name = "agent", .command = "agent --go"};
static const char packet[] = "\x45 not looked at";
static struct process_info curl = {.pid = 77,
				   .uid = 1000,
				   .exe = "/usr/bin/curl",
				   .name = "curl",
				   .cmdline = "curl https://evil.example/"};

static void reopen(struct lab *lab)
{
	struct err e = {0};

	record_close(lab->r);
	lab->r = NULL;
	if (open_record(lab->dir, &lab->r, &e) < 0)
		fail_msg("%s", e.msg);
}

static int setup(void **state)
{
	static struct lab lab;

	lab = (struct lab){.dir = "/tmp/agentfw-test-XXXXXX"};
	if (!mkdtemp(lab.dir))
		return -1;
	snprintf(lab.events, sizeof(lab.events), "%s/events.jsonl", lab.dir);
	snprintf(lab.pcap, sizeof(lab.pcap), "%s/denied.pcap", lab.dir);
	reopen(&lab);
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	record_close(lab->r);
	lab->r = NULL;
	unlink(lab->events);
	unlink(lab->pcap);
	return rmdir(lab->dir);
}

static struct denial denial(const char *endpoint, const char *name)
{
	struct denial d = {.time_ns = 1767323045123456789ull, /* 2026-01-02T03:04:05 */
			   .fence = 1,
			   .code = DENIED_OTHER_NAME,
			   .l4proto = IPPROTO_TCP,
			   .src = {4, {10, 0, 0, 1}},
			   .dst = {4, {203, 0, 113, 7}},
			   .sport = 40000,
			   .dport = 443,
			   .uid = UINT32_MAX,
			   .rule = RULE_NONE};

	strcpy(d.endpoint, endpoint);
	strcpy(d.name, name);
	return d;
}

static void deny(struct lab *lab, const struct denial *d, const struct process_info *who)
{
	record_denial(lab->r, &fence, d, packet, sizeof(packet), sizeof(packet),
		      who ? ATTRIBUTED_EXACT : ATTRIBUTED_NONE, who);
}

/* The lines that are JSON. */
static json_t *lines(struct lab *lab)
{
	_cleanup_fclose_ FILE *f = fopen(lab->events, "r");
	_cleanup_free_ char *line = NULL;
	json_t *all = json_array();
	size_t room = 0;

	assert_non_null(f);
	while (getline(&line, &room, f) > 0)
		json_array_append_new(all, json_loads(line, 0, NULL)); /* NULL adds nothing */
	return all;
}

static const char *str(const json_t *o, const char *a, const char *b)
{
	const char *s = json_string_value(json_object_get(json_object_get(o, a), b));

	return s ? s : "";
}

static json_int_t num(const json_t *o, const char *a, const char *b)
{
	return json_integer_value(json_object_get(json_object_get(o, a), b));
}

static unsigned packets_in(const char *path, bool *ret_ok)
{
	char msg[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const unsigned char *bytes;
	unsigned n = 0;
	int r;
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, msg);

	assert_non_null(p);
	assert_int_equal(pcap_datalink(p), DLT_RAW);
	while ((r = pcap_next_ex(p, &h, &bytes)) == 1) {
		n++;
		assert_int_equal(h->caplen, sizeof(packet));
		assert_memory_equal(bytes, packet, sizeof(packet));
		assert_int_equal(h->ts.tv_sec, 1767323045);
		assert_int_equal(h->ts.tv_usec, 123456789);
	}
	*ret_ok = r == PCAP_ERROR_BREAK;
	pcap_close(p);
	return n;
}

static uint64_t wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* ---- what a line says ---------------------------------------------------- */

static void test_event(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("evil.example", "evil.example");
	const json_t *e;
	json_t *all;
	bool ok;

	deny(lab, &d, &curl);
	record_flush(lab->r);
	all = lines(lab);
	e = json_array_get(all, 0);
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(json_string_value(json_object_get(e, "@timestamp")),
			    "2026-01-02T03:04:05.123456789Z");
	assert_string_equal(str(e, "event", "kind"), "event");
	assert_string_equal(str(e, "event", "action"), "denied");
	assert_string_equal(
	    str(e, "event", "reason"),
	    "the connection to 203.0.113.7:443 asked for evil.example, which no rule "
	    "allows");
	assert_int_equal(num(e, "event", "count"), 1);
	assert_string_equal(str(e, "agentfw", "fence"), "agent");
	assert_string_equal(str(e, "agentfw", "code"), "other-name");
	assert_string_equal(str(e, "agentfw", "endpoint"), "evil.example");
	assert_string_equal(str(e, "agentfw", "suggest"), "  - evil.example");
	assert_string_equal(str(e, "agentfw", "attribution"), "exact");
	assert_true(json_is_null(json_object_get(json_object_get(e, "agentfw"), "rule")));
	assert_int_equal(num(json_object_get(e, "agentfw"), "capture", "packet"), 1);
	assert_int_equal(num(e, "process", "pid"), 77);
	assert_string_equal(str(e, "process", "executable"), "/usr/bin/curl");
	assert_string_equal(str(e, "user", "id"), "1000");
	assert_string_equal(str(e, "destination", "ip"), "203.0.113.7");
	assert_int_equal(num(e, "destination", "port"), 443);
	assert_string_equal(str(e, "destination", "domain"), "evil.example");
	assert_string_equal(str(e, "network", "transport"), "tcp");
	json_decref(all);
	assert_int_equal(packets_in(lab->pcap, &ok), 1);
	assert_true(ok);
}

static void test_strange_bytes(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("tcp://203.0.113.7:443", "a\xff\n");
	struct process_info who = curl;
	const json_t *e;
	json_t *all;

	strcpy(who.cmdline, "sh -c \"\x1b[31m\xc3\x28\"");
	deny(lab, &d, &who);
	record_flush(lab->r);
	all = lines(lab);
	e = json_array_get(all, 0);
	assert_string_equal(str(e, "agentfw", "name"), "a\\xff\\x0a");
	assert_string_equal(str(e, "process", "command_line"), "sh -c \"\\x1b[31m\\xc3(\"");
	json_decref(all);
}

static void test_dns(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("evil.example", "evil.example");
	const json_t *e;
	json_t *all;

	d.code = DENIED_DNS_NAME;
	d.l4proto = IPPROTO_UDP;
	d.dns = 1;
	d.qtype = 28;
	record_denial(lab->r, &fence, &d, NULL, 0, 0, ATTRIBUTED_NONE, NULL);
	record_flush(lab->r);
	all = lines(lab);
	e = json_array_get(all, 0);
	assert_string_equal(str(json_object_get(e, "dns"), "question", "type"), "AAAA");
	assert_string_equal(str(e, "event", "reason"), "no rule allows the name evil.example");
	assert_null(json_object_get(json_object_get(e, "agentfw"), "capture"));
	assert_null(json_object_get(e, "process"));
	json_decref(all);
}

static void check_suggest(const struct denial *d, const char *want)
{
	char buf[1024];
	const char *got = denial_suggest(d, NULL, buf, sizeof(buf));

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void test_suggest(void **state)
{
	struct denial d = denial("tcp://203.0.113.7:5432", "");

	d.code = DENIED_NO_RULE;
	check_suggest(&d, NULL); /* the port is another one */
	d.dport = 5432;
	check_suggest(&d, "  - tcp://203.0.113.7:5432");
	d = denial("tcp://db.example:443", "db.example");
	d.code = DENIED_NO_RULE;
	check_suggest(&d, "  - db.example"); /* a packet without payload: most likely TLS */
	d = denial("https://github", "github");
	check_suggest(&d, "  - https://github"); /* and not the group */
	d = denial("http://name.example:8080", "name.example");
	d.dport = 8080;
	check_suggest(&d, "  - http://name.example:8080");
	strcpy(d.name, "other.example");
	check_suggest(&d, NULL);
	d.code = DENIED_NOT_TLS;
	check_suggest(&d, "  - tcp://203.0.113.7:8080");
	d.code = DENIED_MALFORMED;
	check_suggest(&d, NULL);
	d = denial("name.example", "name.example");
	d.code = DENIED_ECH;
	check_suggest(&d, "  - {to: name.example, tls: {ech: allow}}");
	d = denial("", "name.example");
	d.dns = 1;
	d.code = DENIED_DNS_REBIND;
	d.dst.family = 0;
	check_suggest(&d, NULL);
	addr_parse("10.0.0.5", 8, &d.dst);
	check_suggest(&d, "  - {to: name.example, addresses: [10.0.0.5]}");
	addr_parse("::1", 3, &d.dst);
	check_suggest(&d, "  - {to: name.example, addresses: [\"::1\"]}");
	d = denial("evil.example\n  - \"*\"", "");
	check_suggest(&d, NULL);
}

/* Who came from outside is let in by another list. */
static void test_suggest_ingress(void **state)
{
	struct denial d = denial("tcp://203.0.113.7:443", "");
	char buf[1024];

	d.inbound = 1;
	d.code = DENIED_INBOUND;
	d.rule = RULE_NONE;
	addr_parse("192.0.2.9", 9, &d.src);
	check_suggest(&d, "ingress: [{to: \"tcp://203.0.113.7:443\", from: [192.0.2.9]}]");
	assert_string_equal(denial_reason(&d, NULL, buf, sizeof(buf)),
			    "192.0.2.9 may not connect to the listener at 203.0.113.7:443: no "
			    "ingress entry names it");
	d.rule = 0;
	assert_string_equal(denial_reason(&d, NULL, buf, sizeof(buf)),
			    "192.0.2.9 may not connect to the listener at 203.0.113.7:443: the "
			    "ingress entry names other peers");
	d.l4proto = IPPROTO_UDP;
	addr_parse("2001:db8::7", 11, &d.dst);
	addr_parse("2001:db8::9", 11, &d.src);
	check_suggest(&d, "ingress: [{to: \"udp://[2001:db8::7]:443\", from: [\"2001:db8::9\"]}]");
	addr_parse("::1", 3, &d.dst);
	addr_parse("::1", 3, &d.src);
	check_suggest(&d, "ingress: [{to: \"udp://[::1]:443\", from: [\"::1\"]}]");
	d.l4proto = IPPROTO_ICMPV6;
	check_suggest(&d, NULL);
	d.l4proto = IPPROTO_TCP;
	d.code = DENIED_FRAGMENT;
	check_suggest(&d, NULL);
}

/* ---- folding ------------------------------------------------------------- */

/* From outside, who it was is the peer, at whatever port. */
static void test_fold_peers(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("tcp://203.0.113.7:443", "");

	d.code = DENIED_INBOUND;
	d.inbound = 1;
	addr_parse("192.0.2.1", 9, &d.src);
	deny(lab, &d, NULL);
	d.sport++;
	assert_true(record_folding(lab->r, &fence, &d));
	addr_parse("192.0.2.2", 9, &d.src);
	assert_false(record_folding(lab->r, &fence, &d));
	d.inbound = 0;
	deny(lab, &d, NULL);
	addr_parse("192.0.2.1", 9, &d.src);
	assert_true(record_folding(lab->r, &fence, &d));
}

static void test_fold(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("evil.example", "evil.example"), other = denial("b.example", "b");
	struct process_info wget = curl;
	const json_t *e;
	json_t *all;
	bool ok;

	strcpy(wget.exe, "/usr/bin/wget");
	assert_false(record_folding(lab->r, &fence, &d));
	deny(lab, &d, &curl);
	assert_true(record_folding(lab->r, &fence, &d));
	assert_false(record_folding(lab->r, &fence, &other));
	for (int i = 0; i < 5; i++) {
		d.sport++;
		deny(lab, &d, i % 2 ? &curl : NULL);
	}
	d.more = 1; /* for the capture only */
	deny(lab, &d, NULL);
	d.more = 0;
	deny(lab, &d, &wget); /* somebody else: told at once */
	record_tick(lab->r, wall() + 5 * SECOND);
	all = lines(lab);
	assert_int_equal(json_array_size(all), 2);
	json_decref(all);
	record_tick(lab->r, wall() + 11 * SECOND);
	all = lines(lab);
	assert_int_equal(json_array_size(all), 3);
	e = json_array_get(all, 2);
	assert_int_equal(num(e, "event", "count"), 5);
	assert_string_equal(str(e, "event", "start"), "2026-01-02T03:04:05.123456789Z");
	assert_int_equal(num(json_object_get(e, "agentfw"), "capture", "packet"), 2);
	assert_string_not_equal(str(e, "event", "id"), str(json_array_get(all, 0), "event", "id"));
	json_decref(all);
	assert_false(record_folding(lab->r, &fence, &d));
	assert_int_equal(packets_in(lab->pcap, &ok), 8);
	assert_int_equal(record_counts(lab->r).packets, 8);
}

static void test_many_folds(void **state)
{
	struct lab *lab = *state;
	uint64_t sum = 0;
	json_t *all, *e;
	size_t i;

	for (unsigned k = 0; k < 30000; k++) {
		struct denial d = denial("x", "");

		d.dport = (uint16_t)(k / 3);
		deny(lab, &d, NULL);
	}
	record_state(lab->r, &fence, "fence_ended", NULL, NULL);
	record_flush(lab->r);
	all = lines(lab);
	json_array_foreach(all, i, e) sum += (uint64_t)num(e, "event", "count");
	assert_int_equal(sum, 30000);
	assert_string_equal(str(json_array_get(all, json_array_size(all) - 1), "event", "action"),
			    "fence_ended");
	json_decref(all);
	assert_int_equal(record_counts(lab->r).lost, 0);
}

/* ---- crashes, full disks, enemies ---------------------------------------- */

static void append_raw(const char *path, const void *p, size_t n)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0 && write(fd, p, n) == (ssize_t)n);
}

static void test_torn(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("evil.example", "evil.example");
	json_t *all;
	bool ok;

	deny(lab, &d, &curl);
	record_close(lab->r);
	lab->r = NULL;
	append_raw(lab->events, "{\"torn", 6);
	append_raw(lab->pcap, "\1\2\3\4\5\6\7\10\11\0\0\0\11\0\0\0abc", 19);
	reopen(lab);
	deny(lab, &d, &curl);
	record_flush(lab->r);
	all = lines(lab);
	assert_int_equal(json_array_size(all), 2);
	assert_int_equal(
	    num(json_object_get(json_array_get(all, 1), "agentfw"), "capture", "packet"), 2);
	json_decref(all);
	assert_int_equal(packets_in(lab->pcap, &ok), 2);
	assert_true(ok);
	/* a head that was not finished */
	record_close(lab->r);
	lab->r = NULL;
	assert_int_equal(truncate(lab->pcap, 11), 0);
	reopen(lab);
	deny(lab, &d, &curl);
	record_flush(lab->r);
	assert_int_equal(packets_in(lab->pcap, &ok), 1);
}

/* RLIMIT_FSIZE as the full disk: write(2) is cut short, then fails. */
static void test_full_disk(void **state)
{
	struct lab *lab = *state;
	struct rlimit before, limit;
	uint64_t told = 0, events = 0;
	json_t *all, *e;
	size_t i;
	bool ok;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = 10001;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned k = 0; k < 4000; k++) {
		struct denial d = denial("x", "");

		d.dport = (uint16_t)k;
		deny(lab, &d, NULL);
		record_flush(lab->r);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(record_counts(lab->r).lost > 0);
	record_tick(lab->r, wall());
	record_tick(lab->r, wall());
	all = lines(lab);
	json_array_foreach(all, i, e)
	{
		assert_true(json_is_object(e)); /* the cut line was completed */
		told += (uint64_t)num(e, "agentfw", "lost");
		events += strcmp(str(e, "event", "action"), "denied") == 0;
	}
	json_decref(all);
	assert_int_equal(told, record_counts(lab->r).lost);
	assert_int_equal(events + told, 4000);
	assert_int_equal(packets_in(lab->pcap, &ok), 4000);
	assert_true(ok);
}

static void refused(struct lab *lab, const char *says)
{
	struct record *r = NULL;
	struct err e = {0};

	record_close(lab->r);
	lab->r = NULL;
	assert_true(open_record(lab->dir, &r, &e) < 0);
	assert_non_null(strstr(e.msg, says));
	assert_true(e.hint[0]);
}

static void test_directories(void **state)
{
	struct lab *lab = *state;
	struct record *r = NULL;
	struct err e = {0};
	struct stat st;

	assert_int_equal(stat(lab->events, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(open_record(lab->dir, &r, &e), -EBUSY); /* twice */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(chmod(lab->dir, (mode_t[]){0770, 0777, 01777}[i]), 0);
		refused(lab, "can write to");
	}
	assert_int_equal(chmod(lab->dir, 0700), 0);
	reopen(lab);
}

static void test_files(void **state)
{
	struct lab *lab = *state;
	_cleanup_fclose_ FILE *f = NULL;

	assert_int_equal(unlink(lab->events), 0);
	assert_int_equal(symlink("/etc/passwd", lab->events), 0);
	refused(lab, "events.jsonl");
	assert_int_equal(unlink(lab->events), 0);
	f = fopen(lab->pcap, "w");
	assert_true(f && fputs("not a capture, but somebody's letter", f) >= 0);
	assert_int_equal(fflush(f), 0);
	refused(lab, "not a capture");
	assert_int_equal(unlink(lab->pcap), 0);
	assert_int_equal(unlink(lab->events), 0);
	assert_int_equal(mkfifo(lab->events, 0600), 0);
	record_close(lab->r);
	lab->r = NULL;
	assert_true(open_record(lab->dir, &lab->r, NULL) < 0);
	unlink(lab->events);
}

/* What is there already is looked at within bounds. */
static void test_capture_end(void **state)
{
	struct lab *lab = *state;
	struct denial d = denial("tcp://203.0.113.7:443", "");
	struct stat before, after;
	bool ok;
	int fd;

	deny(lab, &d, NULL);
	record_flush(lab->r);
	assert_int_equal(stat(lab->pcap, &before), 0);
	assert_int_equal(truncate(lab->pcap, 8ll << 40), 0); /* nothing is in it */
	reopen(lab);
	assert_int_equal(stat(lab->pcap, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(record_counts(lab->r).packets, 1);
	deny(lab, &d, NULL);
	record_flush(lab->r);
	assert_int_equal(packets_in(lab->pcap, &ok), 2);
	assert_true(ok);
	fd = open(lab->pcap, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 8ll << 40), 1);
	close(fd);
	refused(lab, "holes");
}

/* A shell that reads the file runs nothing of it. */
static void test_no_orders(void **state)
{
	struct lab *lab = *state;
	struct record_fence f = fence;
	char sh[200];

	f.command = "true $(touch /tmp/agentfw-test-ran) `touch /tmp/agentfw-test-ran`";
	record_state(lab->r, &f, "fence_started", NULL, NULL);
	record_flush(lab->r);
	snprintf(sh, sizeof(sh), "sh %s >/dev/null 2>&1; test ! -e /tmp/agentfw-test-ran",
		 lab->events);
	assert_int_equal(system(sh), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_event),       T(test_strange_bytes),   T(test_dns),
	    T(test_suggest),     T(test_suggest_ingress), T(test_fold_peers),
	    T(test_fold),        T(test_many_folds),      T(test_torn),
	    T(test_full_disk),   T(test_directories),     T(test_files),
	    T(test_capture_end), T(test_no_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
