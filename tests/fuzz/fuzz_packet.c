// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets: results stay inside the input, and what was parsed whole can be given right checksums.
 */
#include "fw/wire/packet.h"
#include "tests/fuzz/fuzz.h"

static bool inside(struct slice s, struct slice whole)
{
	return s.p >= whole.p && s.n <= whole.n && (size_t)(s.p - whole.p) <= whole.n - s.n;
}

static void check_fix(const struct packet *pk)
{
	uint8_t *copy = fuzz_copy(pk->ip.p, pk->ip.n);
	struct packet again;

	MUST(packet_parse(copy, pk->ip.n, &again) == WIRE_OK);
	packet_checksums_fix(&again, copy);
	MUST(packet_checksums_ok(&again));
	/* Nothing but checksums changed: it parses to the same, and one flipped bit is seen. */
	struct packet fixed;
	MUST(packet_parse(copy, pk->ip.n, &fixed) == WIRE_OK);
	MUST(fixed.l4_offset == pk->l4_offset && fixed.payload.n == pk->payload.n &&
	     fixed.l4proto == pk->l4proto && fixed.seq == pk->seq && fixed.dport == pk->dport);
	if (pk->version == 4) {
		copy[8] ^= 1;
		MUST(!packet_checksums_ok(&again));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = fuzz_copy(data, n);
	struct slice whole = {copy, n};
	struct packet pk;

	enum wire_result r = packet_parse(copy, n, &pk);
	MUST(r != WIRE_MORE);
	if (r == WIRE_OK || r == WIRE_TRUNCATED) {
		MUST(pk.version == 4 || pk.version == 6);
		MUST(pk.ip.p == copy && pk.ip.n <= n);
		MUST(r == WIRE_OK || pk.ip.n == n);
		MUST(pk.payload.n == 0 || inside(pk.payload, whole));
		MUST(pk.l4_offset <= pk.ip.n);
		MUST(!pk.fragment || (pk.sport == 0 && pk.dport == 0 && pk.tcp_flags == 0));
	}
	(void)packet_checksums_ok(&pk);
	if (r == WIRE_OK)
		check_fix(&pk);
	free(copy);
	return 0;
}
