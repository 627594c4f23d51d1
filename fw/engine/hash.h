/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes for tables that strangers fill: keyed, so that nobody can choose entries that collide. */
#ifndef AGENTFW_HASH_H
#define AGENTFW_HASH_H

#include <stddef.h>
#include <stdint.h>

/* This process's random key. */
uint64_t hash_key(void);
uint32_t hash_bytes(uint64_t key, const void *bytes, size_t n);

#endif
