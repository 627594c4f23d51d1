/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records in which a TLS client begins to speak, over TCP (RFC 8446 section 5). */
#ifndef AGENTFW_WIRE_TLS_H
#define AGENTFW_WIRE_TLS_H

#include "fw/wire/tls_hello.h"

/* Real hellos with post-quantum key shares are about 1.8 KB; 16 KB is what one record may hold. */
#define TLS_HELLO_MAX  16384
#define TLS_STREAM_MAX (TLS_HELLO_MAX + 1024) /* hello and its record headers */

/* Reads the first bytes of a stream: handshake records (type 22, any 3.x version, each of 1 to
 * 16384 bytes) that together hold one ClientHello; the message may be split over records at any
 * byte. WIRE_MORE: not whole. WIRE_BAD: not TLS, not a ClientHello, a length that does not fit, a
 * second server_name, a name list that does not hold exactly one host_name, a duplicate extension,
 * SSLv2 framing, over TLS_HELLO_MAX bytes; and bytes behind the hello inside the records that
 * completed it that are not TLS records again (early data and CCS after it are fine). Never reads
 * past n. */
enum wire_result tls_client_hello(const void *bytes, size_t n, struct tls_hello *ret);

#endif
