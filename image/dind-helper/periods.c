/*
 * How long the helper waits: parts and multiples of one minute, so that a test shortens all of it alike and nothing else. The
 * operator sets the variable only where its own minute is another than 60 s (operator/dind_operator/controller/pod_manifest.py).
 */
#include "helper.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_SECONDS 60

/* A whole number from 1 to 60, as the operator writes it. Anything else counts for nothing. */
static long minute_ms(void) {
    const char *text = getenv("DIND_MINUTE_SECONDS");
    long seconds = text && *text != '0' && strlen(text) <= 2 && strspn(text, "0123456789") == strlen(text) ? atol(text) : 0;

    return 1000 * (seconds > 0 && seconds < MINUTE_SECONDS ? seconds : MINUTE_SECONDS);
}

struct periods periods(void) {
    const long minute = minute_ms();

    return (struct periods){
        .look = minute / 12,
        .idle_after = minute,
        .idle_step_min = minute,
        .idle_step_max = 10 * minute,
        .pull_again_min = minute / 30,
        .pull_again_max = minute,
        .check_again = minute,
        .start = minute,
    };
}
