// SPDX-License-Identifier: GPL-2.0-or-later
/* The Internet checksum (RFC 1071) of packets that packet_parse has read. */
#include "fw/wire/packet.h"

/* Adds big-endian 16-bit words: below 2^48 words no carry is lost. An odd last byte is the high
 * half of a word. */
static uint64_t sum_words(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += (uint64_t)p[0] << 8 | p[1];
	if (n)
		sum += (uint64_t)p[0] << 8;
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The checksum's offset in the transport header; 0 for a protocol without a known checksum. */
static size_t sum_offset(const struct packet *pk)
{
	if (pk->l4proto == 6)
		return 16;
	if (pk->l4proto == 17)
		return 6;
	if (pk->l4proto == (pk->version == 4 ? 1 : 58))
		return 2;
	return 0;
}

/* The sum of all that the transport checksum covers, its own field included. */
static uint64_t sum_transport(const struct packet *pk)
{
	size_t n = pk->ip.n - pk->l4_offset;
	uint64_t sum = 0;

	if (!(pk->version == 4 && pk->l4proto == 1)) { /* RFC 793 §3.1, RFC 8200 §8.1 */
		size_t addr_bytes = pk->version == 4 ? 4 : 16;
		sum = sum_words(sum, pk->src, addr_bytes);
		sum = sum_words(sum, pk->dst, addr_bytes);
		sum += pk->l4proto;
		sum += n;
	}
	return sum_words(sum, pk->ip.p + pk->l4_offset, n);
}

static bool measured(const struct packet *pk)
{
	size_t least = pk->version == 4 ? 20 : 40;

	return pk->version != 0 && pk->l4_offset >= least && pk->l4_offset <= pk->ip.n;
}

bool packet_checksums_ok(const struct packet *pk)
{
	if (!measured(pk))
		return false;
	if (pk->version == 4 && fold(sum_words(0, pk->ip.p, pk->l4_offset)) != 0xffff)
		return false;
	size_t at = sum_offset(pk);
	if (pk->fragment || at == 0)
		return true;
	if (pk->ip.n - pk->l4_offset < at + 2)
		return false;
	const uint8_t *field = pk->ip.p + pk->l4_offset + at;
	if (pk->l4proto == 17 && field[0] == 0 && field[1] == 0)
		return pk->version == 4; /* RFC 8200 §8.1: not over IPv6 */
	return fold(sum_transport(pk)) == 0xffff;
}

static void put(uint8_t *field, uint16_t value)
{
	field[0] = (uint8_t)(value >> 8);
	field[1] = (uint8_t)value;
}

void packet_checksums_fix(const struct packet *pk, uint8_t *bytes)
{
	if (!measured(pk))
		return;
	if (pk->version == 4) {
		put(bytes + 10, 0);
		put(bytes + 10, (uint16_t)~fold(sum_words(0, bytes, pk->l4_offset)));
	}
	size_t at = sum_offset(pk);
	if (pk->fragment || at == 0 || pk->ip.n - pk->l4_offset < at + 2)
		return;
	uint8_t *field = bytes + pk->l4_offset + at;
	put(field, 0);
	uint16_t sum = (uint16_t)~fold(sum_transport(pk));
	if (pk->l4proto == 17 && sum == 0)
		sum = 0xffff; /* zero would mean that there is none */
	put(field, sum);
}
