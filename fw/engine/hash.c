// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/hash.h"

#include <string.h>
#include <sys/random.h>

uint64_t hash_key(void)
{
	static uint64_t key;

	while (!key && getrandom(&key, sizeof(key), 0) != sizeof(key))
		;
	return key;
}

/* Folds the 128-bit product, so that every bit of either factor reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t hash_bytes(uint64_t key, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t h = mix(key ^ n, 0x9e3779b97f4a7c15u), word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = mix(h ^ word, key | 1);
	}
	word = 0;
	memcpy(&word, p, n);
	h = mix(h ^ word, key | 1);
	return (uint32_t)(h ^ h >> 32);
}
