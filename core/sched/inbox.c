/* inbox.c - messages to a scheduler from other threads, and sleeping until one comes.
 *
 * The inbox is a stack: senders push with compare-and-swap, the owner takes all of it at once and turns it round,
 * so that messages of one sender arrive in order, and no element is ever popped while another thread looks at it.
 */
#include "sched.h"

#include "../base/bell.h"

void gos_post(gos_sched *s, gos_message *m)
{
    gos_message *top = __atomic_load_n(&s->inbox, __ATOMIC_RELAXED);
    do {
        m->next = top;
    } while (!__atomic_compare_exchange_n(&s->inbox, &top, m, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (!top) { /* who puts the first one in tells; the others know that somebody has, or is about to */
        __atomic_fetch_or(&s->attention, GOS_ATTENTION_INBOX, __ATOMIC_SEQ_CST);
        gosi_bell_ring(&s->bell);
    }
}

void gos_sched_nudge(gos_sched *s)
{
    gosi_bell_ring(&s->bell);
}

void gos_sched_doze(gos_sched *s, int64_t deadline_ns)
{
    if (__atomic_load_n(&s->inbox, __ATOMIC_RELAXED))
        return;
    if (s->poller)
        s->poller_calls->doze(s, deadline_ns);
    else
        gosi_bell_wait(&s->bell, deadline_ns);
}

static void deliver_all(gos_sched *s)
{
    /* First the flag, then the messages: who comes between the two sets it again. */
    __atomic_fetch_and(&s->attention, ~(uint32_t)GOS_ATTENTION_INBOX, __ATOMIC_SEQ_CST);
    gos_message *m = __atomic_exchange_n(&s->inbox, NULL, __ATOMIC_ACQUIRE), *oldest = NULL;
    while (m) {
        gos_message *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    while (oldest) {
        m = oldest;
        oldest = m->next;
        m->deliver(s, m);
    }
}

GOSI_COLD void gosi_attend_slow(gos_sched *s)
{
    if (gosi_attention(s) & GOS_ATTENTION_INBOX)
        deliver_all(s);
    if (gosi_attention(s) & GOS_ATTENTION_POLLER)
        s->poller_calls->attend(s);
    if (!s->timer_count)
        __atomic_fetch_and(&s->attention, ~(uint32_t)GOS_ATTENTION_TIMERS, __ATOMIC_RELAXED);
    else if (gosi_timer_earliest(s) <= gosi_now_coarse())
        gosi_timer_fire(s);
}

void gos_sched_expect(gos_sched *s, int change)
{
    s->expected += change;
    GOS_ASSERT(s->expected >= 0);
}
