// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of the kernel's audit log: what is taken from them, what is refused; and the lines that
 * are suggested for a profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/confine/plan.h"
#include "agentctl/seen/audit_record.h"
#include "agentctl/seen/refusals.h"
#include "agentctl/seen/refused.h"
#include "agentctl/seen/suggest.h"
#include "policy/base/cleanup.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#define HEAD "audit(1795548731.973:67): "

static struct audit_record rec;

static enum audit_result parse(unsigned type, const char *text)
{
	return audit_record_parse(type, text, strlen(text), &rec);
}

static void access_ok(const char *text)
{
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_ACCESS, text), AUDIT_OK);
}

static void test_access(void **state)
{
	access_ok(
	    HEAD
	    "domain=1cfe1e90e blockers=fs.read_file path=\"/etc/hostname\" dev=\"vda\" ino=611");
	assert_int_equal(rec.domain, 0x1cfe1e90e);
	assert_int_equal(rec.rights, RIGHT_READ);
	assert_string_equal(rec.access, "fs.read_file");
	assert_string_equal(rec.path, "/etc/hostname");
	assert_int_equal(rec.time_ns, 1795548731973000000);
	assert_int_equal(rec.serial, 67);
}

static void test_rights(void **state)
{
	static const struct {
		const char *blockers;
		uint32_t rights;
	} cases[] = {
	    {"fs.execute", RIGHT_EXEC},
	    {"fs.read_dir", RIGHT_READ},
	    {"fs.write_file,fs.truncate", RIGHT_WRITE},
	    {"fs.read_file,fs.write_file", RIGHT_READ | RIGHT_WRITE},
	    {"fs.remove_file,fs.refer", RIGHT_WRITE},
	    {"fs.make_sym", RIGHT_WRITE},
	    {"fs.ioctl_dev", RIGHT_WRITE},
	    {"scope.abstract_unix_socket", RIGHT_SOCKET},
	    {"scope.signal", RIGHT_SIGNAL},
	    {"fs.executed", RIGHT_OTHER},
	    {"fs.exec", RIGHT_OTHER},
	    {"ptrace", RIGHT_OTHER},
	};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), HEAD "domain=1 blockers=%s path=\"/x\"",
			 cases[i].blockers);
		access_ok(text);
		assert_int_equal(rec.rights, cases[i].rights);
	}
}

static void test_hex(void **state)
{
	access_ok(HEAD "domain=1 blockers=fs.make_reg path=2F7372762F610A22 dev=\"vda\"");
	assert_string_equal(rec.path, "/srv/a\n\"");
	/* an abstract socket may hold any byte; what is shown of it is escaped */
	access_ok(HEAD "domain=1 blockers=scope.abstract_unix_socket path=00666F0001");
	assert_string_equal(rec.path, "@fo\\x00\\x01");
	access_ok(HEAD "domain=1 blockers=scope.signal opid=1 ocomm=\"x\"");
	assert_string_equal(rec.path, "");
}

static void test_longest_path(void **state)
{
	char text[9000], path[4200];
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD "domain=1 blockers=fs.execute path=");

	for (int i = 0; i < 4096; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "2F");
	access_ok(text);
	memset(path, '/', 4096);
	path[4096] = '\0';
	assert_string_equal(rec.path, path);
	strcat(text, "2F");
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_ACCESS, text), AUDIT_BAD);
}

static void test_domain(void **state)
{
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_DOMAIN,
			       HEAD "domain=a status=allocated mode=enforcing pid=23279 uid=65534 "
				    "exe=\"/usr/bin/agentctl\" comm=\"agentctl\""),
			 AUDIT_OK);
	assert_true(rec.allocated);
	assert_int_equal(rec.domain, 10);
	assert_int_equal(rec.pid, 23279);
	assert_string_equal(rec.exe, "/usr/bin/agentctl");
	assert_int_equal(
	    parse(AUDIT_TYPE_LANDLOCK_DOMAIN, HEAD "domain=a status=deallocated denials=1"),
	    AUDIT_OK);
	assert_false(rec.allocated);
}

static void test_syscall(void **state)
{
	assert_int_equal(
	    parse(AUDIT_TYPE_SYSCALL,
		  HEAD "arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c items=0 ppid=1 "
		       "pid=22932 auid=4294967295 uid=65534 gid=65534 tty=(none) comm=\"cat\" "
		       "exe=\"/usr/bin/cat\" subj=/usr/bin/x (enforce) key=(null)"),
	    AUDIT_OK);
	assert_int_equal(rec.pid, 22932);
	assert_int_equal(rec.uid, 65534);
	assert_string_equal(rec.comm, "cat");
	assert_string_equal(rec.exe, "/usr/bin/cat");
	assert_int_equal(parse(AUDIT_TYPE_SYSCALL, HEAD "pid=1 uid=0 exe=(null)"), AUDIT_OK);
	assert_string_equal(rec.exe, "");
}

/* Nothing of these is taken for a refusal of ours. */
static void test_malformed(void **state)
{
	static const char *const bad[] = {
	    "",
	    "audit(1.1:1)",
	    "audit(1.1:1): ",
	    "audit(1.1:1): domain=1",
	    "audit(1.1:1): blockers=fs.execute",
	    "audit(.1:1): domain=1 blockers=fs.execute",
	    "audit(1.1000:1): domain=1 blockers=fs.execute",
	    "audit(1.1:18446744073709551616): domain=1 blockers=fs.execute",
	    "audit(99999999999999999999.1:1): domain=1 blockers=fs.execute",
	    "audit(1.1:1):domain=1 blockers=fs.execute",
	    " audit(1.1:1): domain=1 blockers=fs.execute",
	    HEAD "domain=1 domain=1 blockers=fs.execute",
	    HEAD "domain=1 blockers=fs.execute blockers=fs.execute",
	    HEAD "domain=1 blockers=fs.execute path=\"/a\" path=\"/b\"",
	    HEAD "domain= blockers=fs.execute",
	    HEAD "domain=xyz blockers=fs.execute",
	    HEAD "domain=\"1\" blockers=fs.execute",
	    HEAD "domain=11111111111111111 blockers=fs.execute",
	    HEAD "domain=1 blockers=",
	    HEAD "domain=1 blockers=,",
	    HEAD "domain=1 blockers=fs.execute,",
	    HEAD "domain=1 blockers=\"fs.execute\"",
	    HEAD "domain=1 blockers=fs.execute path=\"/a",
	    HEAD "domain=1 blockers=fs.execute path=\"",
	    HEAD "domain=1 blockers=fs.execute path=\"/a\"b",
	    HEAD "domain=1 blockers=fs.execute path=2F6",
	    HEAD "domain=1 blockers=fs.execute path=2f61",
	    HEAD "domain=1 blockers=fs.execute path=/etc/x",
	    HEAD "domain=1 blockers=fs.execute path=2F0061",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(AUDIT_TYPE_LANDLOCK_ACCESS, bad[i]) != AUDIT_BAD)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_DOMAIN, HEAD "domain=1 status=allocated pid=1"),
			 AUDIT_BAD);
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_DOMAIN,
			       HEAD "domain=1 status=allocated pid=4294967296 exe=\"/x\""),
			 AUDIT_BAD);
	assert_int_equal(parse(AUDIT_TYPE_LANDLOCK_DOMAIN, HEAD "domain=1 status=other"),
			 AUDIT_BAD);
	assert_int_equal(parse(AUDIT_TYPE_SYSCALL, HEAD "uid=1"), AUDIT_BAD);
	assert_int_equal(parse(AUDIT_TYPE_SYSCALL, HEAD "pid=-1"), AUDIT_BAD);
	assert_int_equal(audit_record_parse(AUDIT_TYPE_SYSCALL, HEAD "pid=1\0pid=2", 37, &rec),
			 AUDIT_BAD);
	assert_int_equal(parse(1325, HEAD "table=x"), AUDIT_NOT_OURS);
}

/* What a program writes into its own names stays inside the value. */
static void test_no_injection(void **state)
{
	access_ok(HEAD "domain=1 blockers=fs.execute path=2F2220646F6D61696E3D322022");
	assert_int_equal(rec.domain, 1);
	assert_string_equal(rec.path, "/\" domain=2 \"");
}

/* ---- suggestions --------------------------------------------------------- */

static void suggests(const char *tool, uint32_t rights, const char *path, const char *want)
{
	static const char hidden[] = "/var/log/agentfw";
	struct plan p = {0};
	char buf[5000];
	const char *got;

	plan_add(&p, STEP_HIDE, hidden, 0);
	plan_add(&p, STEP_DENY, "/srv/no", 0);
	plan_add(&p, STEP_TMPFS, "/tmp", 1);
	got = suggest_path(&p, tool, rights, path, buf, sizeof(buf));
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
	plan_done(&p);
}

static void test_suggest(void **state)
{
	char longer[2100];

	suggests("fetch", RIGHT_READ, "/etc/foo", "tools: {fetch: {read: [/etc/foo]}}");
	suggests(NULL, RIGHT_WRITE, "/srv/x", "agent: {write: [/srv/x]}");
	suggests(NULL, RIGHT_READ | RIGHT_WRITE, "/srv/x",
		 "agent: {read: [/srv/x], write: [/srv/x]}");
	suggests("t", RIGHT_EXEC, "/usr/bin/curl", "tools: {t: {exec: [/usr/bin/curl]}}");
	suggests("t", RIGHT_EXEC, "/usr/bin/python3.11",
		 "tools: {t: {exec: [{path: /usr/bin/python3.11, broad: true}]}}");
	suggests("t", RIGHT_READ, "/srv/a, b", "tools: {t: {read: [\"/srv/a, b\"]}}");
	suggests("t", RIGHT_READ, "/srv/\"\\", "tools: {t: {read: [\"/srv/\\\"\\\\\"]}}");
	suggests("t", RIGHT_READ, "/srv/nothing", "tools: {t: {read: [/srv/nothing]}}");
	/* none */
	suggests("t", RIGHT_READ, "/srv/no/x", NULL);
	suggests("t", RIGHT_READ, "/var/log/agentfw/events.jsonl", NULL);
	suggests("t", RIGHT_WRITE, "/tmp/x", NULL);
	suggests("t", RIGHT_WRITE, "/proc/self/mem", NULL);
	suggests("t", RIGHT_READ, "/", NULL);
	suggests("t", RIGHT_READ, "", NULL);
	suggests("t", RIGHT_READ, "/srv/*", NULL);
	suggests("t", RIGHT_READ, "/srv/\n", NULL);
	suggests("t", RIGHT_READ, "/srv/\xc3\xa4", NULL);
	suggests("t", RIGHT_SOCKET, "@x", NULL);
	suggests("t", RIGHT_READ | RIGHT_OTHER, "/srv/x", NULL);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	suggests("t", RIGHT_READ, longer, NULL);
}

static void test_protected(void **state)
{
	assert_non_null(protected_place_of("/home/x/.ssh/config"));
	assert_non_null(protected_place_of("/home/x/.ssh"));
	assert_non_null(protected_place_of("/srv/work/.git/hooks/pre-commit"));
	assert_non_null(protected_place_of("/a.ssh/.ssh"));
	assert_null(protected_place_of("/home/x/.sshd"));
	assert_null(protected_place_of("/home/x.ssh/y"));
	assert_non_null(protected_place_of("/srv/work/.git/index"));
	suggests("t", RIGHT_WRITE, "/home/x/.ssh/config", NULL);
}

/* ---- counting ------------------------------------------------------------ */

static void test_refusals(void **state)
{
	static const struct refused_from from = {.tool = "t"};
	struct refusal what = {.rights = RIGHT_READ, .path = "/a", .access = "fs.read_file"};
	struct refusals *rs;
	struct refusal_entry *a, *b;
	char path[20];
	bool is_new;

	assert_int_equal(refusals_new(&from, &rs, NULL), 0);
	a = refusals_add(rs, &what, &is_new);
	assert_true(a && is_new);
	assert_ptr_equal(refusals_add(rs, &what, &is_new), a);
	assert_false(is_new);
	what.rights = RIGHT_WRITE; /* another thing */
	b = refusals_add(rs, &what, &is_new);
	assert_true(b && b != a && is_new);
	/* one that makes up names gets no more memory than this */
	what.path = path;
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		assert_int_equal(refusals_add(rs, &what, &is_new) != NULL, i < 4096 - 2);
	}
	what.path = "/a";
	assert_ptr_equal(refusals_add(rs, &what, &is_new), b);
	refusals_free(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_access),    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_hex),       cmocka_unit_test(test_longest_path),
	    cmocka_unit_test(test_domain),    cmocka_unit_test(test_syscall),
	    cmocka_unit_test(test_malformed), cmocka_unit_test(test_no_injection),
	    cmocka_unit_test(test_suggest),   cmocka_unit_test(test_protected),
	    cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
