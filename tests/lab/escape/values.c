// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/escape/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

unsigned escape_device_index[ESCAPE_DEVICES];

static uint16_t port_of(uint16_t own_port, uint8_t port)
{
	return port >= ESCAPE_OWN_PORT ? (uint16_t)(own_port + port - ESCAPE_OWN_PORT)
				       : escape_ports[port];
}

socklen_t escape_address(uint16_t own_port, const struct escape_to *to, bool v6,
			 struct sockaddr_storage *ret)
{
	const char *t = escape_addresses[to->address].text;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *a4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (!v6 && !strchr(t, ':')) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(port_of(own_port, to->port));
		inet_pton(AF_INET, t, &a4->sin_addr);
		return sizeof(*a4);
	}
	a6->sin6_family = AF_INET6;
	a6->sin6_port = htons(port_of(own_port, to->port));
	if (strchr(t, ':')) {
		inet_pton(AF_INET6, t, &a6->sin6_addr);
	} else {
		a6->sin6_addr.s6_addr[10] = a6->sin6_addr.s6_addr[11] = 0xff;
		inet_pton(AF_INET, t, &a6->sin6_addr.s6_addr[12]);
	}
	a6->sin6_scope_id = escape_device_index[to->scope];
	return sizeof(*a6);
}

static void in6_of(uint8_t address, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (address == UINT8_MAX)
		return;
	if (strchr(escape_addresses[address].text, ':')) {
		inet_pton(AF_INET6, escape_addresses[address].text, ret);
	} else {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		inet_pton(AF_INET, escape_addresses[address].text, &ret->s6_addr[12]);
	}
}

static void in4_of(uint8_t address, struct in_addr *ret)
{
	ret->s_addr = 0;
	if (address != UINT8_MAX)
		inet_pton(AF_INET, escape_addresses[address].text, ret);
}

static socklen_t value_of(const struct escape_option *o, uint8_t device, uint8_t address,
			  uint32_t value, bool cmsg, uint8_t ret[64])
{
	const unsigned index = escape_device_index[device];
	struct ip_mreqn m = {.imr_ifindex = (int)index};
	struct ipv6_mreq m6 = {.ipv6mr_interface = index};
	struct in6_pktinfo i6 = {.ipi6_ifindex = index};
	struct in_pktinfo i4 = {.ipi_ifindex = (int)index};
	const struct linger l = {1, (int)(value & 1)};
	const char *text = value & 1 ? "tls" : "reno";

#define GIVE(x) (memcpy(ret, &(x), sizeof(x)), (socklen_t)sizeof(x))
	switch ((enum escape_value)o->value) {
	case VALUE_DEVICE:
		return GIVE(index);
	case VALUE_DEVICE_BE:
		return GIVE((uint32_t){htonl(index)});
	case VALUE_DEVICE_NAME:
		strcpy((char *)ret, device ? escape_devices[device] : "");
		return (socklen_t)strlen((char *)ret) + 1;
	case VALUE_MREQN:
		if (cmsg) {
			in4_of(address, &i4.ipi_spec_dst);
			return GIVE(i4);
		}
		inet_pton(AF_INET, "239.1.2.3", &m.imr_multiaddr);
		in4_of(address, &m.imr_address);
		return GIVE(m);
	case VALUE_MREQ6:
		inet_pton(AF_INET6, "ff05::2", &m6.ipv6mr_multiaddr);
		return GIVE(m6);
	case VALUE_PKTINFO6:
		in6_of(address, &i6.ipi6_addr);
		return GIVE(i6);
	case VALUE_LINGER:
		return GIVE(l);
	case VALUE_FAMILY:
		return GIVE((int){AF_INET});
	case VALUE_TEXT:
		strcpy((char *)ret, text);
		return (socklen_t)strlen(text);
	case VALUE_BYTES:
		memset(ret, (int)value & 0xff, 8);
		return (value & 1) * 8;
	case VALUE_INT:
		break;
	}
	return GIVE(value);
#undef GIVE
}

int escape_set_option(int fd, const struct escape_step *s)
{
	const struct escape_option *o = &escape_options[s->option];
	uint8_t value[64];
	const socklen_t n = value_of(o, s->device, s->address, s->value, false, value);

	return setsockopt(fd, o->level, o->name, value, n);
}

int escape_random_option(int fd, const struct escape_step *s)
{
	uint32_t value[4] = {s->value & 1 ? escape_device_index[s->device] : s->value};

	return setsockopt(fd, s->level, s->name, value, s->value & 2 ? sizeof(value) : 4);
}

size_t escape_control(const struct escape_step *s, uint8_t *room, size_t bytes)
{
	struct msghdr m = {.msg_control = room, .msg_controllen = bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	size_t used = 0;

	memset(room, 0, bytes);
	for (unsigned i = 0; i < s->n_cmsgs; i++) {
		const struct escape_cmsg *from = &s->cmsgs[i];
		const struct escape_option *o = &escape_cmsgs[from->which];
		uint8_t value[64];
		const socklen_t n =
		    value_of(o, from->device, from->address, from->value, true, value);

		c->cmsg_level = o->level;
		c->cmsg_type = o->name;
		c->cmsg_len = CMSG_LEN(n);
		memcpy(CMSG_DATA(c), value, n);
		used += CMSG_SPACE(n);
		c = (struct cmsghdr *)(room + used);
	}
	return used;
}
