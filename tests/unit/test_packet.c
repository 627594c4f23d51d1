// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buf[70000];
static size_t n;

static void put(const void *bytes, size_t size)
{
	memcpy(buf + n, bytes, size);
	n += size;
}

static void ipv4(uint8_t proto, uint16_t frag, size_t option_bytes, size_t behind)
{
	size_t total = 20 + option_bytes + behind;
	const uint8_t header[20] = {
	    (uint8_t)(0x45 + option_bytes / 4),
	    0,
	    (uint8_t)(total >> 8),
	    (uint8_t)total,
	    0,
	    7,
	    (uint8_t)(frag >> 8),
	    (uint8_t)frag,
	    64,
	    proto,
	    0,
	    0,
	    10,
	    0,
	    0,
	    2,
	    192,
	    0,
	    2,
	    1,
	};

	n = 0;
	put(header, sizeof(header));
	memset(buf + n, 1, option_bytes);
	n += option_bytes;
}

static void ipv6(uint8_t next, size_t behind)
{
	uint8_t header[40] = {0x60, 0, 0, 0, (uint8_t)(behind >> 8), (uint8_t)behind, next, 64};

	header[8] = 0xfd;
	header[24] = 0x20;
	n = 0;
	put(header, sizeof(header));
}

static const uint8_t tcp[24] = {0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4, 5,   6,   7,   8,
				0x50, 0x18, 0xff, 0xff, 0, 0, 0, 9, 'd', 'a', 't', 'a'};
static const uint8_t udp[12] = {0x14, 0xe9, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};

static enum wire_result parse(struct packet *pk)
{
	return packet_parse(buf, n, pk);
}

static void test_ipv4_tcp(void **state)
{
	struct packet pk;

	ipv4(6, 0x4000, 0, sizeof(tcp)); /* DF is no fragment */
	put(tcp, sizeof(tcp));
	put("pad", 3); /* an Ethernet frame's rest is not the packet's */
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.version, 4);
	assert_int_equal(pk.ip.n, 44);
	assert_int_equal(pk.sport, 40000);
	assert_int_equal(pk.dport, 443);
	assert_int_equal(pk.seq, 0x01020304);
	assert_int_equal(pk.ack, 0x05060708);
	assert_int_equal(pk.tcp_flags, TCP_PSH | TCP_ACK);
	assert_int_equal(pk.urgent, 9);
	assert_int_equal(pk.payload.n, 4);
	assert_memory_equal(pk.payload.p, "data", 4);
	assert_false(pk.fragment || pk.options);
	assert_int_equal(pk.dst[0], 192);
}

static void test_ipv4_lengths(void **state)
{
	struct packet pk;

	ipv4(6, 0, 0, sizeof(tcp));
	put(tcp, sizeof(tcp));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(packet_parse(buf, i, &pk), i < 20 ? WIRE_BAD : WIRE_TRUNCATED);
	buf[2] = buf[3] = 0; /* as a large GSO packet has it */
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.payload.n, 4);
	buf[3] = 19;
	assert_int_equal(parse(&pk), WIRE_BAD);
	buf[3] = 44;
	buf[0] = 0x44;
	assert_int_equal(parse(&pk), WIRE_BAD);
	buf[0] = 0x4f; /* header longer than the packet */
	assert_int_equal(parse(&pk), WIRE_BAD);
	assert_int_equal(pk.version, 4);
	buf[0] = 0x55;
	assert_int_equal(parse(&pk), WIRE_BAD);
	assert_int_equal(pk.version, 0);
}

static void test_ipv4_options_fragments(void **state)
{
	struct packet pk;

	ipv4(6, 0, 8, sizeof(tcp));
	put(tcp, sizeof(tcp));
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_true(pk.options);
	assert_int_equal(pk.l4_offset, 28);
	const uint16_t fragments[] = {0x2000, 0x0001, 0x3fff, 0x1fff};
	for (size_t i = 0; i < 4; i++) {
		ipv4(6, fragments[i], 0, sizeof(tcp));
		put(tcp, sizeof(tcp));
		assert_int_equal(parse(&pk), WIRE_OK);
		assert_true(pk.fragment);
		assert_int_equal(pk.dport, 0);
		assert_int_equal(pk.payload.n, sizeof(tcp));
	}
}

static void test_tcp_offset(void **state)
{
	struct packet pk;

	ipv4(6, 0, 0, sizeof(tcp));
	put(tcp, sizeof(tcp));
	buf[32] = 0x40;
	assert_int_equal(parse(&pk), WIRE_BAD);
	buf[32] = 0x60;
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.payload.n, 0);
	buf[32] = 0x70;
	assert_int_equal(parse(&pk), WIRE_BAD);
}

static void test_udp_length(void **state)
{
	struct packet pk;
	const struct {
		uint8_t proto, length;
		enum wire_result want;
	} cases[] = {
	    {17, 12, WIRE_OK},  {17, 11, WIRE_BAD},  {17, 13, WIRE_BAD}, {17, 0, WIRE_BAD},
	    {17, 7, WIRE_BAD},  {136, 0, WIRE_OK},   {136, 8, WIRE_OK},  {136, 12, WIRE_OK},
	    {136, 7, WIRE_BAD}, {136, 13, WIRE_BAD},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ipv6(cases[i].proto, sizeof(udp));
		put(udp, sizeof(udp));
		buf[45] = cases[i].length;
		assert_int_equal(parse(&pk), cases[i].want);
		assert_int_equal(pk.dport, 53);
		assert_int_equal(pk.payload.n, 4);
	}
}

static void test_icmp(void **state)
{
	struct packet pk;
	const uint8_t echo[8] = {8, 1, 0, 0, 0, 1, 0, 2};

	ipv4(1, 0, 0, 8);
	put(echo, 8);
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.icmp_type, 8);
	assert_int_equal(pk.icmp_code, 1);
	assert_int_equal(pk.payload.n, 8);
	ipv4(58, 0, 0, 8); /* ICMPv6 in IPv4 is just an unknown protocol */
	put(echo, 8);
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.icmp_type, 0);
	ipv4(1, 0, 0, 7);
	put(echo, 7);
	assert_int_equal(parse(&pk), WIRE_BAD);
}

/* Extension headers of 8 bytes each in front of TCP. */
static enum wire_result chain(const uint8_t *kinds, size_t count, struct packet *pk)
{
	ipv6(count ? kinds[0] : 6, count * 8 + sizeof(tcp));
	for (size_t i = 0; i < count; i++) {
		uint8_t ext[8] = {i + 1 < count ? kinds[i + 1] : 6, 0, 1, 4};

		put(ext, sizeof(ext));
	}
	put(tcp, sizeof(tcp));
	return parse(pk);
}

static void test_ipv6_extensions(void **state)
{
	struct packet pk;
	const uint8_t nine[9] = {0, 60, 60, 60, 60, 60, 60, 60, 60};

	assert_int_equal(chain(NULL, 0, &pk), WIRE_OK);
	assert_false(pk.options);
	assert_int_equal(chain(nine, 8, &pk), WIRE_OK);
	assert_true(pk.options);
	assert_int_equal(pk.dport, 443);
	assert_int_equal(chain(nine, 9, &pk), WIRE_BAD);
	assert_int_equal(pk.dst[0], 0x20);
	assert_int_equal(chain((uint8_t[]){43}, 1, &pk), WIRE_OK);
	assert_true(pk.options);
	assert_int_equal(chain((uint8_t[]){60, 0}, 2, &pk), WIRE_BAD); /* hop-by-hop is first */
	assert_int_equal(chain((uint8_t[]){0}, 1, &pk), WIRE_OK);
	buf[42] = 0xc2; /* jumbo */
	assert_int_equal(parse(&pk), WIRE_BAD);
	assert_int_equal(chain((uint8_t[]){0}, 1, &pk), WIRE_OK);
	buf[43] = 5; /* an option longer than its header */
	assert_int_equal(parse(&pk), WIRE_BAD);
	assert_int_equal(chain((uint8_t[]){60}, 1, &pk), WIRE_OK);
	buf[41] = 200; /* a header longer than the packet */
	assert_int_equal(parse(&pk), WIRE_BAD);
}

static void test_ipv6_fragment_and_ah(void **state)
{
	struct packet pk;
	uint8_t frag[8] = {6, 0, 0, 0, 0, 0, 0, 1}; /* atomic: still a fragment */
	const uint8_t ah[12] = {6, 1};

	ipv6(44, 8 + sizeof(tcp));
	put(frag, 8);
	put(tcp, sizeof(tcp));
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_true(pk.fragment && pk.options);
	assert_int_equal(pk.l4proto, 6);
	assert_int_equal(pk.dport, 0);
	ipv6(51, sizeof(ah) + sizeof(tcp));
	put(ah, sizeof(ah));
	put(tcp, sizeof(tcp));
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_true(pk.options);
	assert_int_equal(pk.dport, 443);
}

static void test_ipv6_lengths(void **state)
{
	struct packet pk;

	ipv6(6, sizeof(tcp));
	put(tcp, sizeof(tcp));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(packet_parse(buf, i, &pk), i < 40 ? WIRE_BAD : WIRE_TRUNCATED);
	buf[4] = buf[5] = 0;
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.payload.n, 4);
	ipv6(59, 0);
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_int_equal(pk.l4proto, 59);
}

static void check_sums(size_t flip)
{
	struct packet pk;

	assert_int_equal(parse(&pk), WIRE_OK);
	packet_checksums_fix(&pk, buf);
	assert_true(packet_checksums_ok(&pk));
	buf[flip] ^= 0x10;
	assert_false(packet_checksums_ok(&pk));
	buf[flip] ^= 0x10;
}

static void test_checksums(void **state)
{
	/* A packet of RFC 1071's kind, summed by hand: UDP 10.0.0.1:1 -> 10.0.0.2:2, no data. */
	static const uint8_t known[28] = {0x45, 0,    0,  28, 0, 0, 0,    0,   64, 17,
					  0x66, 0xcf, 10, 0,  0, 1, 10,   0,   0,  2,
					  0,    1,    0,  2,  0, 8, 0xeb, 0xd8};
	struct packet pk;

	n = 0;
	put(known, sizeof(known));
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_true(packet_checksums_ok(&pk));
	buf[26] = buf[27] = 0; /* none: allowed over IPv4 */
	assert_true(packet_checksums_ok(&pk));
	packet_checksums_fix(&pk, buf);
	assert_memory_equal(buf, known, sizeof(known));

	ipv4(6, 0, 4, sizeof(tcp));
	put(tcp, sizeof(tcp));
	check_sums(n - 1);
	check_sums(9);
	ipv6(17, sizeof(udp));
	put(udp, sizeof(udp));
	check_sums(n - 1);
	buf[46] = buf[47] = 0;
	assert_int_equal(parse(&pk), WIRE_OK);
	assert_false(packet_checksums_ok(&pk)); /* never none over IPv6 */
	ipv6(58, 5);
	put("\x80\0\0\0x", 5);
	check_sums(n - 1);
	ipv4(1, 0, 0, 9);
	put("\x08\0\0\0\0\1\0\1x", 9);
	check_sums(n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ipv4_tcp),
	    cmocka_unit_test(test_ipv4_lengths),
	    cmocka_unit_test(test_ipv4_options_fragments),
	    cmocka_unit_test(test_tcp_offset),
	    cmocka_unit_test(test_udp_length),
	    cmocka_unit_test(test_icmp),
	    cmocka_unit_test(test_ipv6_extensions),
	    cmocka_unit_test(test_ipv6_fragment_and_ah),
	    cmocka_unit_test(test_ipv6_lengths),
	    cmocka_unit_test(test_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
