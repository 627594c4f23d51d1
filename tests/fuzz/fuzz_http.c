// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests: prefixes and pieces give the same verdict as the whole. The first byte of the input
 * chooses head or chunks, and with the second how the pieces are cut. */
#include "fw/wire/http.h"
#include "tests/fuzz/fuzz.h"

static enum wire_result parse(const uint8_t *data, size_t n, size_t *ret_head)
{
	uint8_t *copy = fuzz_copy(data, n);
	struct http_request req;
	enum wire_result r = http_request_parse(copy, n, &req);

	MUST(r == WIRE_OK || r == WIRE_MORE || r == WIRE_BAD);
	*ret_head = req.head_bytes;
	if (r == WIRE_OK) {
		MUST(req.head_bytes <= n && req.head_bytes <= HTTP_HEAD_MAX);
		MUST(req.host.n > 0 && req.method.n > 0 && req.method.p == copy);
		MUST(req.host.p > copy && req.host.p + req.host.n <= copy + req.head_bytes);
		MUST(!req.chunked || req.body_bytes == 0);
		for (size_t i = 0; i < req.host.n; i++)
			MUST(req.host.p[i] > 0x20 && req.host.p[i] < 0x7f &&
			     strchr("@,/\\?#%", req.host.p[i]) == NULL);
	}
	free(copy);
	return r;
}

static void fuzz_head(const uint8_t *data, size_t n)
{
	size_t head, part;
	enum wire_result r = parse(data, n, &head);
	size_t step = n < 48 ? 1 : n / 12;

	for (size_t i = 0; i < n; i += step) {
		enum wire_result cut = parse(data, i, &part);

		if (r == WIRE_MORE)
			MUST(cut == WIRE_MORE);
		if (r == WIRE_OK)
			MUST(cut == (i < head ? WIRE_MORE : WIRE_OK));
		if (cut == WIRE_BAD)
			MUST(r == WIRE_BAD);
		if (cut == WIRE_OK)
			MUST(r == WIRE_OK && part == head);
	}
}

static void fuzz_chunks(uint32_t random, const uint8_t *data, size_t n)
{
	struct http_chunks whole = {0}, pieces = {0};
	size_t used, at = 0;
	uint8_t *copy = fuzz_copy(data, n);
	enum wire_result r = http_chunks_feed(&whole, copy, n, &used), piece = WIRE_MORE;

	free(copy);
	MUST(used <= n && (r != WIRE_MORE || used == n));
	while (at < n && piece == WIRE_MORE) {
		size_t took, size;

		random = random * 1103515245 + 12345;
		size = 1 + (random >> 16) % 17;
		if (size > n - at)
			size = n - at;
		copy = fuzz_copy(data + at, size);
		piece = http_chunks_feed(&pieces, copy, size, &took);
		free(copy);
		MUST(took <= size);
		at += took;
	}
	MUST(piece == r && at == used);
	if (r == WIRE_BAD) /* and stays so */
		MUST(http_chunks_feed(&whole, "0\r\n\r\n", 5, &used) == WIRE_BAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	if (data[0] == 'c')
		fuzz_chunks(data[1], data + 2, n - 2);
	else
		fuzz_head(data, n);
	return 0;
}
