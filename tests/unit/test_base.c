// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors, escaping, addresses and their kinds, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "policy/base/addr.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/name.h"
#include "policy/base/nearest.h"

static struct addr addr(const char *text)
{
	struct addr a;

	if (!addr_parse(text, strlen(text), &a))
		fail_msg("'%s' is no address", text);
	return a;
}

static void test_err(void **state)
{
	struct err e;

	assert_int_equal(err_set(&e, ENOENT, "cannot open '%s'", "x"), -ENOENT);
	assert_string_equal(e.msg, "cannot open 'x'");
	assert_string_equal(e.hint, "");
	assert_int_equal(err_hint(&e, "make it"), -ENOENT);
	assert_int_equal(err_prefix(&e, "p.yaml"), -ENOENT);
	assert_string_equal(e.msg, "p.yaml: cannot open 'x'");
	assert_string_equal(e.hint, "make it");
	assert_int_equal(err_set(NULL, EIO, "x"), -EIO);
	assert_int_equal(err_prefix(NULL, "x"), -EINVAL);
	for (int i = 0; i < 100; i++)
		err_prefix(&e, "%0200d", i);
	assert_true(strlen(e.msg) < sizeof(e.msg));
}

static void test_escape(void **state)
{
	char buf[16];

	assert_string_equal(str_escape(buf, sizeof(buf), "a\\b\n", 4), "a\\\\b\\x0a");
	assert_string_equal(str_escape(buf, sizeof(buf), "\0\x7f", 2), "\\x00\\x7f");
	/* never half an escape, always terminated */
	assert_string_equal(str_escape(buf, 5, "\x1b\x1b", 2), "\\x1b");
	assert_string_equal(str_escape(buf, 4, "\x1b", 1), "");
	assert_string_equal(str_escape(buf, 1, "abc", 3), "");
}

static void test_clean(void **state)
{
	char buf[24];

	assert_string_equal(str_clean(buf, sizeof(buf), "a\\b \xc3\xa4 \xe2\x80\xa6"),
			    "a\\b \xc3\xa4 \xe2\x80\xa6");
	assert_string_equal(str_clean(buf, sizeof(buf), "\x1b[31m\n\x7f"), "\\x1b[31m\\x0a\\x7f");
	/* CSI as one character of UTF-8; the letter behind it is one */
	assert_string_equal(str_clean(buf, sizeof(buf), "\xc2\x9b\xc2\xa0"), "\\xc2\\x9b\xc2\xa0");
	/* for terminals without UTF-8 a control character is one byte, and this is no character */
	assert_string_equal(str_clean(buf, sizeof(buf), "\xc2"), "\\xc2");
	assert_string_equal(str_clean(buf, sizeof(buf), "\x9b[31m"), "\\x9b[31m");
	assert_string_equal(str_clean(buf, sizeof(buf), "\xc0\x9b"), "\\xc0\\x9b");
	/* text that goes the other way */
	assert_string_equal(str_clean(buf, sizeof(buf),
				      "a\xe2\x80\xae"
				      "b"),
			    "a\\xe2\\x80\\xae"
			    "b");
	assert_string_equal(str_clean(buf, sizeof(buf), "\xe2\x81\xa6"), "\\xe2\\x81\\xa6");
	assert_string_equal(str_clean(buf, sizeof(buf), "\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
	assert_string_equal(str_clean(buf, 5, "\x1b\x1b"), "\\x1b");
	assert_string_equal(str_clean(buf, 8, "\xc2\x9b"), "");
	assert_string_equal(str_clean(buf, 1, "x"), "");
}

static void test_word(void **state)
{
	char buf[24];

	assert_string_equal(str_word(buf, sizeof(buf), "/var/log/x-1"), "/var/log/x-1");
	assert_string_equal(str_word(buf, sizeof(buf), ""), "''");
	assert_string_equal(str_word(buf, sizeof(buf), "a b"), "'a b'");
	assert_string_equal(str_word(buf, sizeof(buf), "`$(id)`"), "'`$(id)`'");
	assert_string_equal(str_word(buf, sizeof(buf), "a';id;"), "'a'\\'';id;'");
	assert_string_equal(str_word(buf, sizeof(buf), "\x1b[m"), "'\\x1b[m'");
	assert_string_equal(str_word(buf, 5, "a b"), "");
	assert_string_equal(str_word(buf, 6, "a b"), "'a b'");
}

static void test_addr(void **state)
{
	static const char *const bad[] = {"",          "1.2.3",     "01.2.3.4", "1.2.3.4 ",
					  "1.2.3.256", "0x7f.1",    "[::1]",    "fe80::1%1",
					  "::1::",     "1.2.3.4/8", "localhost"};
	char buf[ADDR_STRLEN];
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(addr_parse(bad[i], strlen(bad[i]), &a));
	assert_false(addr_parse("1.2.3.4\0", 8, &a));
	a = addr("::ffff:10.1.2.3");
	assert_string_equal(addr_format(&a, buf), "10.1.2.3");
	a = addr("2001:DB8:0:0::1");
	assert_string_equal(addr_format(&a, buf), "2001:db8::1");
}

static void test_sockaddr(void **state)
{
	static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
	struct sockaddr unix_addr = {.sa_family = AF_UNIX};
	struct sockaddr_storage ss;
	struct addr a, b;
	uint16_t port;

	for (size_t i = 0; i < 2; i++) {
		a = addr(texts[i]);
		assert_int_equal(addr_to_sockaddr(&a, 443, &ss),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_true(addr_from_sockaddr((struct sockaddr *)&ss, &b, &port));
		assert_true(addr_equal(&a, &b));
		assert_int_equal(port, 443);
	}
	assert_false(addr_from_sockaddr(&unix_addr, &b, &port));
}

static void test_prefix(void **state)
{
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1",
					  "::/129",      "/8",        "10.0.0.0/8/8"};
	char buf[PREFIX_STRLEN];
	struct prefix p;
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(prefix_parse(bad[i], strlen(bad[i]), &p), -EINVAL);
	assert_int_equal(prefix_parse("10.1.2.3/9", 10, &p), -ERANGE);
	assert_string_equal(prefix_format(&p, buf), "10.0.0.0/9");
	a = addr("10.127.0.1");
	assert_true(prefix_contains(&p, &a));
	a = addr("10.128.0.1");
	assert_false(prefix_contains(&p, &a));
	assert_int_equal(prefix_parse("::ffff:10.0.0.0/104", 19, &p), 0);
	assert_string_equal(prefix_format(&p, buf), "10.0.0.0/8");
	assert_int_equal(prefix_parse("::/0", 4, &p), 0);
	assert_false(prefix_contains(&p, &a));
	a = addr("ff02::1");
	assert_true(prefix_contains(&p, &a));
}

/* What an allowed name must not lead to, in every form in which it can be written. */
static const struct {
	const char *text;
	enum addr_kind kind;
} kinds[] = {
    {"8.8.8.8", ADDR_GLOBAL},
    {"2606:4700::1111", ADDR_GLOBAL},
    {"64:ff9b::8.8.8.8", ADDR_GLOBAL},
    {"2002:808:808::1", ADDR_GLOBAL},
    {"0.0.0.0", ADDR_UNSPECIFIED},
    {"0.1.2.3", ADDR_UNSPECIFIED},
    {"::", ADDR_UNSPECIFIED},
    {"::5", ADDR_UNSPECIFIED},
    {"127.0.0.1", ADDR_LOOPBACK},
    {"127.255.255.254", ADDR_LOOPBACK},
    {"::1", ADDR_LOOPBACK},
    {"::ffff:127.0.0.1", ADDR_LOOPBACK},
    {"::127.0.0.1", ADDR_LOOPBACK},
    {"64:ff9b::7f00:1", ADDR_LOOPBACK},
    {"2002:7f00:1::", ADDR_LOOPBACK},
    {"169.254.169.254", ADDR_METADATA},
    {"64:ff9b::a9fe:a9fe", ADDR_METADATA},
    {"169.254.170.2", ADDR_METADATA},
    {"100.100.100.200", ADDR_METADATA},
    {"168.63.129.16", ADDR_METADATA},
    {"fd00:ec2::254", ADDR_METADATA},
    {"169.254.1.1", ADDR_LINK_LOCAL},
    {"fe80::1", ADDR_LINK_LOCAL},
    {"febf::1", ADDR_LINK_LOCAL},
    {"224.0.0.1", ADDR_MULTICAST},
    {"255.255.255.255", ADDR_MULTICAST},
    {"ff02::1", ADDR_MULTICAST},
    {"10.0.0.1", ADDR_PRIVATE},
    {"172.31.255.255", ADDR_PRIVATE},
    {"172.32.0.1", ADDR_GLOBAL},
    {"192.168.0.1", ADDR_PRIVATE},
    {"100.64.0.1", ADDR_PRIVATE},
    {"fc00::1", ADDR_PRIVATE},
    {"fec0::1", ADDR_PRIVATE},
    {"2002:a00:1::", ADDR_PRIVATE},
    {"192.0.2.1", ADDR_RESERVED},
    {"240.0.0.1", ADDR_RESERVED},
    {"2001:db8::1", ADDR_RESERVED},
    {"2001:2::1", ADDR_RESERVED},
    {"2001::1", ADDR_UNSPECIFIED}, /* its server is 0.0.0.0 */
    {"64:ff9b:1::1", ADDR_PRIVATE},
    {"64:ff9b:1::8.8.8.8", ADDR_PRIVATE},
    {"::ffff:0:127.0.0.1", ADDR_LOOPBACK},
    {"100:0:0:1::1", ADDR_RESERVED},
    {"4000::1", ADDR_RESERVED},
};

static void test_kinds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct addr a = addr(kinds[i].text);

		if (addr_kind(&a) != kinds[i].kind)
			fail_msg("%s is %s", kinds[i].text, addr_kind_name(addr_kind(&a)));
		assert_int_equal(addr_is_loopback(&a),
				 kinds[i].kind == ADDR_LOOPBACK &&
				     !addr_embedded_v4(&a, (struct addr[ADDR_EMBEDDED_MAX]){0}));
	}
}

/* Every form, with every special IPv4 address in it, is as bad as that address. */
static void test_embedded(void **state)
{
	static const struct {
		const char *text;
		enum addr_kind kind;
	} inner[] = {{"8.8.8.8", ADDR_GLOBAL},
		     {"127.0.0.1", ADDR_LOOPBACK},
		     {"127.9.9.9", ADDR_LOOPBACK},
		     {"0.0.0.0", ADDR_UNSPECIFIED},
		     {"0.1.2.3", ADDR_UNSPECIFIED},
		     {"169.254.169.254", ADDR_METADATA},
		     {"100.100.100.200", ADDR_METADATA},
		     {"168.63.129.16", ADDR_METADATA},
		     {"169.254.1.1", ADDR_LINK_LOCAL},
		     {"224.0.0.1", ADDR_MULTICAST},
		     {"255.255.255.255", ADDR_MULTICAST},
		     {"10.1.2.3", ADDR_PRIVATE},
		     {"172.16.0.1", ADDR_PRIVATE},
		     {"192.168.0.1", ADDR_PRIVATE},
		     {"100.64.0.1", ADDR_PRIVATE},
		     {"192.0.2.1", ADDR_RESERVED}};
	/* where it stands, and where it stands turned round; kinds[0]: with 8.8.8.8 */
	static const struct {
		const char *text;
		uint8_t at, turned_at;
		enum addr_kind own;
	} forms[] = {{"64:ff9b::", 12, 0, ADDR_GLOBAL},
		     {"::ffff:0:0:0", 12, 0, ADDR_GLOBAL},
		     {"2002::1", 2, 0, ADDR_GLOBAL},
		     {"2002::", 2, 0, ADDR_GLOBAL},
		     {"2001:0:0808:0808::f7f7:f7f7", 4, 0, ADDR_RESERVED},
		     {"2001:0:0808:0808::", 0, 12, ADDR_RESERVED},
		     {"2606:4700:0:1:0:5efe::", 12, 0, ADDR_GLOBAL},
		     {"2606:4700:0:1:200:5efe::", 12, 0, ADDR_GLOBAL},
		     {"fe80::5efe:0:0", 12, 0, ADDR_LINK_LOCAL},
		     {"fd00::200:5efe:0:0", 12, 0, ADDR_PRIVATE},
		     {"64:ff9b:1::", 12, 0, ADDR_PRIVATE}};

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
		for (size_t i = 0; i < ARRAY_SIZE(inner); i++) {
			struct addr a = addr(forms[f].text), v4 = addr(inner[i].text);
			enum addr_kind want = forms[f].own;
			char text[ADDR_STRLEN];

			if (forms[f].at)
				memcpy(a.b + forms[f].at, v4.b, 4);
			for (size_t k = 0; forms[f].turned_at && k < 4; k++)
				a.b[forms[f].turned_at + k] = (uint8_t)~v4.b[k];
			if ((want == ADDR_GLOBAL || want == ADDR_RESERVED) &&
			    inner[i].kind != ADDR_GLOBAL)
				want = inner[i].kind;
			if (addr_kind(&a) != want)
				fail_msg("%s is %s, not %s", addr_format(&a, text),
					 addr_kind_name(addr_kind(&a)), addr_kind_name(want));
		}
}

static void test_name(void **state)
{
	static const char *const bad[] = {"",           ".",       "..",    "a..b", ".a",
					  "a..",        "-a.b",    "a-.b",  "a b",  "*.a",
					  "a:1",        "1.2.3.4", "a.123", "a.0x", "a.0x7f",
					  "\xc3\xbc.a", "a\n",     "a/b",   "a@b",  "a%b"};
	char longest[300];
	struct name n, m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (name_canon(bad[i], strlen(bad[i]), &n))
			fail_msg("'%s' is taken for a name", bad[i]);
	assert_false(name_canon("a\0b", 3, &n));
	assert_true(name_canon("API.Example.COM.", 16, &n));
	assert_string_equal(n.s, "api.example.com");
	assert_int_equal(name_labels(&n), 3);
	assert_true(name_canon("_srv.xn--bcher-kva.example", 26, &m));
	assert_true(name_canon("example.com", 11, &m));
	assert_true(name_below(&n, &m));
	assert_false(name_below(&m, &m));
	assert_true(name_canon("badexample.com", 14, &n));
	assert_false(name_below(&n, &m));
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	assert_true(name_canon(longest, 253, &n));
	assert_false(name_canon(longest, 254, &n));
	assert_false(
	    name_canon("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64, &n));
}

static const char *meant(const char *written)
{
	static const char *const words[] = {"run", "tool", "status", "log", "read", "memory"};
	struct nearest n = {.written = written};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		nearest_try(&n, words[i]);
	return n.found ? n.found : "";
}

static void test_nearest(void **state)
{
	static const char *const near[][2] = {
	    {"rnu", "run"},       {"runn", "run"},  {"ru", "run"},         {"toool", "tool"},
	    {"satuts", "status"}, {"reed", "read"}, {"mem", "memory"},     {"statsu", "status"},
	    {"logs", "log"},      {"log", "log"},   {"memroyy", "memory"},
	};
	static const char *const far[] = {"",    "x",     "me",      "broad",
					  "nur", "bool2", "starts1", "memoirist"};
	char longer[200];

	for (size_t i = 0; i < ARRAY_SIZE(near); i++)
		assert_string_equal(meant(near[i][0]), near[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		if (*meant(far[i]))
			fail_msg("'%s' is taken for '%s'", far[i], meant(far[i]));
	memset(longer, 'r', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_string_equal(meant(longer), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_err),      cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_clean),    cmocka_unit_test(test_word),
	    cmocka_unit_test(test_addr),     cmocka_unit_test(test_sockaddr),
	    cmocka_unit_test(test_prefix),   cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_embedded), cmocka_unit_test(test_name),
	    cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
