/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IP packet: IPv4 (RFC 791) or IPv6 (RFC 8200) with TCP, UDP or ICMP inside. */
#ifndef AGENTFW_WIRE_PACKET_H
#define AGENTFW_WIRE_PACKET_H

#include "fw/wire/cursor.h"

struct packet {
	struct slice ip; /* the input, cut to the packet's own length */
	uint8_t version; /* 4 or 6 */
	uint8_t ttl;
	uint8_t l4proto; /* the protocol after the extension headers, or the first unknown header */
	bool fragment;   /* an IPv4 fragment, or any IPv6 fragment header: no l4 fields are read */
	bool options;    /* it has IPv4 options or IPv6 extension headers */
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes */
	size_t l4_offset;         /* from ip.p */
	uint16_t sport, dport;    /* TCP, UDP, UDP-Lite; 0 for others */
	uint8_t icmp_type, icmp_code;
	/* TCP */
	uint32_t seq, ack;
	uint8_t tcp_flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 */
	uint16_t urgent;
	struct slice payload; /* of TCP or UDP; for others, all after the IP headers */
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* WIRE_OK: the addresses, l4proto, and the fields of TCP, UDP and ICMP are right. WIRE_TRUNCATED:
 * the packet's own length exceeds n; what was read is filled in. WIRE_BAD: version and addresses
 * are filled in if they could be read (version 0: not even that). More than 8 extension headers are
 * BAD. So are jumbograms, but for BIG TCP's segments, whose header has nothing but the length. A
 * zero IPv4 total length or IPv6 payload length with bytes after it (a large GSO packet, BIG TCP)
 * means the length of the input. */
enum wire_result packet_parse(const void *bytes, size_t n, struct packet *ret);

/* Are the checksums of the IPv4 header and of TCP, UDP, ICMP, ICMPv6 right? Zero is, for UDP over
 * IPv4. Of fragments and other protocols only the header is checked. */
bool packet_checksums_ok(const struct packet *pk);

/* Computes the same checksums in place, for a packet that packet_parse found complete: bytes is the
 * writable memory of pk->ip. Of fragments only the header's. */
void packet_checksums_fix(const struct packet *pk, uint8_t *bytes);

#endif
