/* rules.c - which platform is in use, and what every platform's poll needs on top: the rule that one socket's error
 * must not end the wait of all the others. */
#define _GNU_SOURCE
#include "platform.h"

static const struct gosi_platform *chosen = &gosi_platform_native;

const struct gosi_platform *gosi_platform_get(void)
{
    return __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
}

void gosi_platform_set(const struct gosi_platform *platform)
{
    __atomic_store_n(&chosen, platform ? platform : &gosi_platform_native, __ATOMIC_RELEASE);
}

int gosi_poll_error_is_real(int error)
{
    switch (error) {
    case EBADF: case EINVAL: case ENOMEM: case EFAULT: case ENOSYS: case EPERM: case EMFILE: case ENFILE: return 1;
    default: return 0;
    }
}

static int count_ready(struct pollfd *fds, nfds_t count)
{
    int n = 0;
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0)
            continue;
        if (GOSI_UNLIKELY(fds[i].revents & POLLNVAL) && GOSI_PLATFORM(is_open, fds[i].fd) > 0)
            fds[i].revents = (short)((fds[i].revents & ~POLLNVAL) | (fds[i].events & (POLLIN | POLLOUT)));
        n += fds[i].revents != 0;
    }
    return n;
}

static int is_socket_error(int rc)
{
    return rc < 0 && rc != -EINTR && !gosi_poll_error_is_real(-rc);
}

/* A call with all of them has failed for one, and told of none: ask for each alone. Whoever fails alone is the one; an
 * error that was delivered once, to the call with all, is gone by then. */
static void ask_each(struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0)
            continue;
        int rc = gosi_platform_get()->poll(&fds[i], 1, 0);
        if (is_socket_error(rc) && !fds[i].revents)
            fds[i].revents = POLLERR;
        else if (rc == 0 || rc == -EINTR)
            fds[i].revents = 0;
    }
}

int gosi_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns)
{
    const struct gosi_platform *platform = gosi_platform_get();
    if (!platform->poll)
        return -ENOSYS;
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = 0; /* a platform that fails may leave what was there */
    int rc = platform->poll(fds, count, timeout_ns);
    if (rc == -EINTR) {
        for (nfds_t i = 0; i < count; i++)
            fds[i].revents = 0;
        return rc;
    }
    if (!is_socket_error(rc))
        return rc < 0 ? rc : count_ready(fds, count);
    if (!count_ready(fds, count))
        ask_each(fds, count);
    return count_ready(fds, count);
}
