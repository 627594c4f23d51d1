// SPDX-License-Identifier: GPL-2.0-or-later
/* Hellos: a prefix of a good one is never BAD, more bytes never mend a bad one, and the name does
 * not depend on how much came behind it. */
#include "fw/wire/tls.h"
#include "tests/fuzz/fuzz.h"

static enum wire_result parse(const uint8_t *data, size_t n, struct tls_hello *ret)
{
	uint8_t *copy = fuzz_copy(data, n);
	enum wire_result r = tls_client_hello(copy, n, ret);

	free(copy);
	MUST(r == WIRE_OK || r == WIRE_MORE || r == WIRE_BAD);
	return r;
}

static void check_prefix(const uint8_t *data, size_t n, enum wire_result whole,
			 const struct tls_hello *hello)
{
	struct tls_hello part;
	enum wire_result r = parse(data, n, &part);

	if (whole == WIRE_OK)
		MUST(r == WIRE_OK || r == WIRE_MORE);
	if (whole == WIRE_MORE)
		MUST(r == WIRE_MORE);
	if (whole == WIRE_OK && r == WIRE_OK)
		MUST(part.sni_len == hello->sni_len && part.ech == hello->ech &&
		     memcmp(part.sni, hello->sni, part.sni_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tls_hello hello;
	enum wire_result r = parse(data, n, &hello);

	MUST(hello.sni_len < sizeof(hello.sni) && hello.sni[hello.sni_len] == '\0');
	/* All prefixes of short inputs; of long ones the first bytes and a few others. */
	size_t step = n < 64 ? 1 : n / 16;
	for (size_t i = 0; i < n; i += i < 12 ? 1 : step)
		check_prefix(data, i, r, &hello);
	return 0;
}
