/* ebb: a look at the number of connections once a second. */
#include "gateway/daemon/ebb.h"

#include "gateway/daemon/memory.h"

#include <malloc.h>

enum {
    EBB_LOOK_MS = 1000,
    EBB_TRIM_MS = 200, /* after the workers were asked to let go of what they keep */
    /* A crowd that comes and goes every few seconds would else hold the workers up each time. When it is
     * quiet nobody is held up. */
    EBB_REST_LOOKS = 5,
    /* Fewer are not worth the walk through the heap, during which its owner cannot allocate: about a
     * millisecond for each ten thousand pieces. */
    EBB_MIN_CONNECTIONS = 256,
    /* Bulk takes and leaves memory, too, with few connections. */
    EBB_QUIET_LOOKS = 2,
    EBB_MIN_BYTES = 512 * 1024,
};

bool ebb_decide(struct ebb *ebb, size_t now)
{
    size_t last = ebb->last;

    ebb->last = now;
    ebb->peak = now > ebb->peak ? now : ebb->peak;
    size_t left = ebb->peak - now;
    /* A quarter, so that the usual up and down of a busy process never comes here; and not while more are
     * leaving, because what they leave behind would stay. */
    if (left < EBB_MIN_CONNECTIONS || left < ebb->peak / 4 || now < last || ebb->rest_looks > 0) {
        return false;
    }
    ebb->peak = now;
    return true;
}

bool ebb_decide_quiet(struct ebb *ebb, size_t requests, uint64_t resident)
{
    ebb->quiet_looks = requests == 0 ? ebb->quiet_looks + 1 : 0;
    if (ebb->low_bytes == 0 || resident < ebb->low_bytes) {
        ebb->low_bytes = resident;
    }
    if (ebb->quiet_looks < EBB_QUIET_LOOKS || resident - ebb->low_bytes < EBB_MIN_BYTES) {
        return false;
    }
    ebb->low_bytes = 0; /* whatever is left then is needed */
    return true;
}

static void ebb_look(void *arg)
{
    struct ebb *ebb = arg;
    size_t connections = 0;
    size_t requests = 0;

    if (ebb->is_trim_due) {
        (void)malloc_trim(0); /* tells only whether there was something */
        ebb->rest_looks = EBB_REST_LOOKS;
    }
    for (size_t i = 0; i < ebb->worker_count; i++) {
        connections += worker_active_count(ebb->workers[i]);
        requests += worker_request_count(ebb->workers[i]);
    }
    if (ebb->rest_looks > 0) {
        ebb->rest_looks--;
    }
    bool has_left = ebb_decide(ebb, connections);
    bool is_quiet = ebb_decide_quiet(ebb, requests, memory_resident());
    ebb->is_trim_due = has_left || is_quiet;
    for (size_t i = 0; i < ebb->worker_count && ebb->is_trim_due; i++) {
        worker_free_spares(ebb->workers[i]);
    }
    timer_arm(ebb->loop, &ebb->timer, ebb->is_trim_due ? EBB_TRIM_MS : EBB_LOOK_MS);
}

void ebb_start(struct ebb *ebb, struct loop *loop, struct worker **workers, size_t worker_count)
{
    *ebb = (struct ebb){ .loop = loop, .workers = workers, .worker_count = worker_count };
    timer_init(&ebb->timer, ebb_look, ebb);
    timer_arm(loop, &ebb->timer, EBB_LOOK_MS);
}

void ebb_stop(struct ebb *ebb)
{
    timer_cancel(&ebb->timer);
}
