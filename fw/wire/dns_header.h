/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of the header of a message (RFC 6895 §2), and its class, for the files of dns.h only. */
#ifndef AGENTFW_WIRE_DNS_HEADER_H
#define AGENTFW_WIRE_DNS_HEADER_H

#define DNS_CLASS_IN 1

#define DNS_FLAG_QR     0x8000
#define DNS_FLAG_OPCODE 0x7800
#define DNS_FLAG_TC     0x0200
#define DNS_FLAG_RD     0x0100
#define DNS_FLAG_RA     0x0080
#define DNS_FLAG_CD     0x0010
#define DNS_FLAG_RCODE  0x000f

#endif
