/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first records of a TLS client, over TCP (RFC 8446 section 5). */
#ifndef AGENTFW_WIRE_TLS_H
#define AGENTFW_WIRE_TLS_H

#include "fw/wire/tls_hello.h"

/* Hellos with post-quantum key shares have about 1.8 KB; a record holds 16 KB at most. */
#define TLS_HELLO_MAX  16384
#define TLS_STREAM_MAX (TLS_HELLO_MAX + 1024) /* the hello with its record headers */

/* Reads the first bytes of a stream: handshake records (type 22, any 3.x version, each of 1 to
 * 16384 bytes) that together hold one ClientHello; the message may be split over records at any
 * byte. WIRE_MORE: incomplete. WIRE_BAD: not TLS, not a ClientHello, a length that does not fit, a
 * name list without exactly one host_name, a duplicate extension, SSLv2 framing, over TLS_HELLO_MAX
 * bytes; and after the hello anything but early data, CCS and alerts. Never reads past n. */
enum wire_result tls_client_hello(const void *bytes, size_t n, struct tls_hello *ret);

#endif
