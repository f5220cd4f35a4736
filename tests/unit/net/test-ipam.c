/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "net/ipam.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static void lowest_free_first(void **state)
{
	struct ipam i;
	uint32_t ip;
	(void)state;
	assert_int_equal(ipam_init(&i, IP(10, 1, 0, 7), 24, 0, 0), 0);
	for (uint32_t k = 1; k <= 254; k++) {
		assert_int_equal(ipam_take(&i, &ip), 0);
		assert_int_equal(ip, IP(10, 1, 0, k));
	}
	assert_int_equal(ipam_take(&i, &ip), -ENOSPC);
	ipam_give(&i, IP(10, 1, 0, 200));
	ipam_give(&i, IP(10, 1, 0, 100));
	assert_int_equal(ipam_take(&i, &ip), 0);
	assert_int_equal(ip, IP(10, 1, 0, 100));
	assert_int_equal(ipam_take(&i, &ip), 0);
	assert_int_equal(ip, IP(10, 1, 0, 200));
	assert_int_equal(ipam_take(&i, &ip), -ENOSPC);
	/* Network and broadcast are nobody's to give. */
	ipam_give(&i, IP(10, 1, 0, 0));
	ipam_give(&i, IP(10, 1, 0, 255));
	ipam_give(&i, IP(10, 2, 0, 1));
	assert_int_equal(ipam_take(&i, &ip), -ENOSPC);
	ipam_release(&i);
}

static void named_addresses(void **state)
{
	struct ipam i;
	uint32_t ip;
	(void)state;
	assert_int_equal(ipam_init(&i, IP(172, 17, 0, 0), 16, 0, 0), 0);
	assert_int_equal(ipam_take_one(&i, IP(172, 17, 0, 1)), 0);
	assert_int_equal(ipam_take_one(&i, IP(172, 17, 0, 1)), -EADDRINUSE);
	assert_int_equal(ipam_take_one(&i, IP(172, 18, 0, 1)), -EINVAL);
	assert_int_equal(ipam_take_one(&i, IP(172, 17, 255, 255)), -EADDRINUSE);
	assert_int_equal(ipam_take_one(&i, IP(172, 17, 0, 3)), 0);
	assert_int_equal(ipam_take(&i, &ip), 0);
	assert_int_equal(ip, IP(172, 17, 0, 2));
	assert_int_equal(ipam_take(&i, &ip), 0);
	assert_int_equal(ip, IP(172, 17, 0, 4));
	ipam_release(&i);
}

static void range_inside_subnet(void **state)
{
	struct ipam i;
	uint32_t ip, first = 0, last = 0;
	unsigned n = 0;
	(void)state;
	assert_int_equal(ipam_init(&i, IP(10, 0, 0, 0), 8, IP(10, 5, 6, 128), 26), 0);
	while (ipam_take(&i, &ip) == 0) {
		first = n++ ? first : ip;
		last = ip;
	}
	assert_int_equal(n, 64);
	assert_int_equal(first, IP(10, 5, 6, 128));
	assert_int_equal(last, IP(10, 5, 6, 191));
	assert_int_equal(ipam_take_one(&i, IP(10, 200, 0, 1)), 0);
	ipam_release(&i);
	assert_int_equal(ipam_init(&i, IP(10, 0, 0, 0), 24, IP(10, 0, 1, 0), 25), -EINVAL);
	assert_int_equal(ipam_init(&i, IP(10, 0, 0, 0), 24, IP(10, 0, 0, 0), 23), -EINVAL);
	assert_int_equal(ipam_init(&i, IP(10, 0, 0, 0), 31, 0, 0), -EINVAL);
	assert_int_equal(ipam_init(&i, IP(10, 0, 0, 0), 7, 0, 0), -EINVAL);
}

static void cidr(void **state)
{
	uint32_t ip;
	unsigned p;
	(void)state;
	assert_int_equal(ipam_parse_cidr("172.17.0.1/16", &ip, &p), 0);
	assert_int_equal(ip, IP(172, 17, 0, 1));
	assert_int_equal(p, 16);
	static const char *const bad[] = { "",
					   "/",
					   "172.17.0.1",
					   "172.17.0.1/",
					   "172.17.0.1/33",
					   "172.17.0/16",
					   "a.b.c.d/8",
					   "1.2.3.4/-1",
					   "1.2.3.4/8 ",
					   "1111111111111111111111111111.2.3.4/8" };
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
		assert_int_equal(ipam_parse_cidr(bad[k], &ip, &p), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowest_free_first),
		cmocka_unit_test(named_addresses),
		cmocka_unit_test(range_inside_subnet),
		cmocka_unit_test(cidr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
