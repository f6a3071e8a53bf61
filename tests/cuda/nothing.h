/* SPDX-License-Identifier: MIT */
/* What a test of something that runs on the stand-in driver asks in the end. Included after cmocka.
 */
#pragma once

#include "standin.h"

static inline void nothing_is_wrong(void)
{
    for (int i = 0; i < standin_faults(); i++)
        print_error("%s\n", standin_fault(i));
    assert_int_equal(standin_faults(), 0);
}

static inline void nothing_is_left(void)
{
    for (int what = 0; what < STANDIN_KINDS; what++) {
        if (standin_live((enum standin_what)what))
            fail_msg("%zu of kind %d are left", standin_live((enum standin_what)what), what);
    }
}
