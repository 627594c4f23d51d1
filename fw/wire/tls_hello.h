/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TLS ClientHello, whatever carries it: the server name, and whether Encrypted ClientHello was
 * offered (RFC 8446 section 4.1.2, RFC 6066 section 3, ECH extension 0xfe0d). */
#ifndef AGENTFW_WIRE_TLS_HELLO_H
#define AGENTFW_WIRE_TLS_HELLO_H

#include "fw/wire/cursor.h"

struct tls_hello {
	char sni[256];  /* as sent, NUL-terminated; may hold any byte: use sni_len */
	size_t sni_len; /* 0: no server_name extension */
	bool ech;       /* has encrypted_client_hello (0xfe0d), or that of a draft (0xff02…) */
};

/* c: the whole body of the message, after its type and length. The caller has zeroed *ret. false: a
 * length that does not fit, a duplicate extension, a name list without exactly one host_name. */
bool tls_hello_parse(struct cursor c, struct tls_hello *ret);

#endif
