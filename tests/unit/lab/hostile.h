/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that an agent may give to things so that a line of a policy becomes another one, and random
 * ones of the same make. */
#ifndef AGENTFW_TEST_HOSTILE_H
#define AGENTFW_TEST_HOSTILE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *const hostile[] = {
    /* names of groups */
    "github",
    "pypi",
    "npm",
    "openai",
    "docker-hub",
    "google-ai",
    "GitHub",
    "github.",
    "go",
    /* prefixes, addresses, ports, schemes */
    "10.0.0.0/8:22",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "::/0",
    "[::/0]:443",
    "169.254.169.254:80",
    "169.254.169.254",
    "127.0.0.1",
    "1.2.3.4:80,443",
    "::1",
    "[::1]",
    "::ffff:10.0.0.1",
    "0x7f.1",
    "127.1",
    "1.2.3",
    "x:53",
    "x.test:53",
    "tcp://x.test:22",
    "https://x.test",
    "udp://10.0.0.1:53",
    "icmp://10.0.0.1",
    "quic://x.test",
    "//x.test",
    "x.test:443",
    "x.test:22",
    "x.test,y.test",
    /* wildcards */
    "*",
    "*.",
    "*.test",
    "*.com",
    "**",
    "*.*",
    "x.*",
    ".",
    "..",
    ".test",
    "x..test",
    "test.",
    "-x.test",
    "x-.test",
    "_x.test",
    "x_y.test",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    /* what YAML reads */
    "true",
    "null",
    "~",
    "y",
    "no",
    "1e3",
    "0x10",
    "1.test",
    "- x",
    "-",
    "--- x",
    "...",
    "? x",
    "x: y",
    "x #y",
    "#x",
    "&a x",
    "*a",
    "!x y",
    "!!str x",
    "%x",
    "@x",
    "`x`",
    "|",
    ">",
    "'",
    "\"",
    "'x'",
    "\"x\"",
    "x\"",
    "\\",
    "\\x0a",
    "\\\"",
    "{a: b}",
    "[a, b]",
    "]",
    "}",
    ",",
    "x]}, write: [/",
    "x}}\ntools: {t: {read: [/",
    "x\n  - \"*\"",
    "\n",
    "\r",
    "x\ty",
    "x\xc2\x85y",
    "x\xe2\x80\xa8y",
    "<<",
    "=",
    "x: ",
    "x:",
    " x",
    "x ",
    /* what terminals and people read */
    "\x1b[2K",
    "x\x7f",
    "x\x01",
    "\xe2\x80\xae"
    "tset.x",
    "\xd1\x85.test",
    "x\xff",
    "\xc3\xa4",
    "x%0ay",
    "$WORKSPACE",
    "$HOME",
    "~root",
    "~/x",
    "..%2f",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    /* what once was a mark of ours */
    "_agentfw_comment_0_",
    "x_agentfw_comment_1_",
    "_agentfw_comment_99999999999_ # y",
    "a_agentfw_comment_2_/.ssh",
    "# 3 times",
    "x  # 1 time",
    "left out: x",
};
#define HOSTILE_N (sizeof(hostile) / sizeof(hostile[0]))

/* xorshift64 */
static uint64_t hostile_state = 0x9e3779b97f4a7c15u;

static inline unsigned hostile_random(unsigned below)
{
	hostile_state ^= hostile_state << 13;
	hostile_state ^= hostile_state >> 7;
	hostile_state ^= hostile_state << 17;
	return (unsigned)((hostile_state >> 20) % below);
}

/* One of the list, a mixture of some, or random bytes; no NUL in it, and maybe nothing at all. */
static inline void hostile_text(char *buf, size_t bytes)
{
	static const char often[] = "abcxyz019.-_:/*,#'\"[]{}&!|>%@`~ \n\t\\$?=";
	size_t n = 0;

	buf[0] = '\0';
	switch (hostile_random(5)) {
	case 0:
		snprintf(buf, bytes, "%s", hostile[hostile_random(HOSTILE_N)]);
		return;
	case 1:
		for (unsigned i = hostile_random(4); n < bytes - 1 && i < 4; i++, n = strlen(buf))
			snprintf(buf + n, bytes - n, "%s%s", hostile[hostile_random(HOSTILE_N)],
				 hostile_random(2) ? "." : "");
		return;
	case 2: /* long, and almost a name */
		n = hostile_random((unsigned)bytes);
		for (size_t i = 0; i < n; i++)
			buf[i] = hostile_random(20) ? "abcdefghij"[hostile_random(10)] : '.';
		break;
	case 3:
		n = hostile_random(40) < bytes ? hostile_random(40) : bytes - 1;
		for (size_t i = 0; i < n; i++)
			buf[i] = (char)(1 + hostile_random(255));
		break;
	default:
		n = hostile_random(30) < bytes ? hostile_random(30) : bytes - 1;
		for (size_t i = 0; i < n; i++)
			buf[i] = often[hostile_random(sizeof(often) - 1)];
		break;
	}
	buf[n] = '\0';
}

#endif
