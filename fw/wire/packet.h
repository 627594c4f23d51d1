/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IP packet, as it leaves: IPv4 (RFC 791) or IPv6 (RFC 8200) with TCP, UDP or ICMP inside. */
#ifndef AGENTFW_WIRE_PACKET_H
#define AGENTFW_WIRE_PACKET_H

#include "fw/wire/cursor.h"

struct packet {
	struct slice ip; /* the whole packet as handed in, cut to its own length */
	uint8_t version; /* 4 or 6 */
	uint8_t ttl;
	uint8_t l4proto;          /* the last next-header; for an unknown header, that header */
	bool fragment;            /* any fragment but a whole packet: l4 fields are not read */
	bool options;             /* IPv4 options or IPv6 extension headers were there */
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes */
	size_t l4_offset;         /* from ip.p */
	uint16_t sport, dport;    /* TCP, UDP, UDP-Lite; 0 for others */
	uint8_t icmp_type, icmp_code;
	/* TCP */
	uint32_t seq, ack;
	uint8_t tcp_flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 */
	uint16_t urgent;
	struct slice payload; /* what TCP or UDP carry; for others, all behind the IP headers */
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* Limits: at most 8 extension headers. WIRE_OK: the addresses, l4proto, and for TCP, UDP and ICMP
 * their fields are right. Jumbograms are BAD, but for the TCP segments of
 * BIG TCP, whose header has nothing but the length. A zero IPv4 total length or IPv6 payload length
 * with bytes behind it (as a large GSO packet has, BIG TCP) takes the length of the input.
 * WIRE_TRUNCATED: it says that it is longer than n; what was read is filled in.
 * WIRE_BAD: version and addresses are filled in where they were there (version 0: not even that).
 */
enum wire_result packet_parse(const void *bytes, size_t n, struct packet *ret);

/* Do the checksums of header (IPv4) and TCP, UDP, ICMP, ICMPv6 fit? A UDP/IPv4 checksum of zero
 * does. Fragments and other protocols: the header alone. */
bool packet_checksums_ok(const struct packet *pk);

/* Computes the checksums of header and TCP, UDP, ICMP, ICMPv6 of a packet that packet_parse found
 * whole, in place: bytes is the writable memory behind pk->ip. Fragments: the header alone. */
void packet_checksums_fix(const struct packet *pk, uint8_t *bytes);

#endif
