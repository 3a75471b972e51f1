/* faults.h - a platform that lies, for tests: the native table, with faults put in at random.
 *
 * No fault loses or changes data by itself: a program that follows the rules gets everything through. Descriptors that are
 * reported as ready, or a call that fails with EAGAIN, hide no event for good.
 * Locking: none; the counters are atomic.
 */
#ifndef GOSI_FAULTS_H
#define GOSI_FAULTS_H

#include "platform.h"

/* name, what happens */
#define GOSI_FAULTS(X)                                                                           \
    X(POLL_EINTR, "poll is interrupted")                                                         \
    X(POLL_ECONNRESET, "poll fails with a socket's ECONNRESET")                                  \
    X(POLL_ECONNREFUSED, "poll fails with a socket's ECONNREFUSED")                              \
    X(POLL_EPIPE, "poll fails with a socket's EPIPE")                                            \
    X(POLL_ENOTCONN, "poll fails with a socket's ENOTCONN")                                      \
    X(POLL_HALF, "poll fails with ECONNRESET, having told of what is ready")                     \
    X(POLL_NOTHING, "poll fails without an errno")                                               \
    X(POLL_SPURIOUS, "poll tells of a descriptor that is not ready")                             \
    X(POLL_NVAL, "poll says that a good descriptor is none")                                     \
    X(POLL_ERR, "poll tells of an error that is none")                                           \
    X(POLL_HUP, "poll says that a peer has gone who has not")                                    \
    X(POLL_COUNT, "poll miscounts")                                                              \
    X(EPOLL_EINTR, "epoll_wait is interrupted")                                                  \
    X(EPOLL_ECONNRESET, "epoll_wait fails with ECONNRESET")                                      \
    X(EPOLL_EPIPE, "epoll_wait fails with EPIPE")                                                \
    X(EPOLL_SPURIOUS, "epoll_wait tells of readiness that is none")                              \
    X(EPOLL_ERR, "epoll_wait tells of an error that is none")                                    \
    X(EPOLL_HUP, "epoll_wait says that a peer has gone who has not")                             \
    X(EPOLL_ONE, "epoll_wait tells of one event at a time")                                      \
    X(RECV_EINTR, "recv is interrupted")                                                         \
    X(RECV_EAGAIN, "recv finds nothing although there is something")                             \
    X(RECV_SHORT, "recv gives one byte")                                                         \
    X(SEND_EINTR, "send is interrupted")                                                         \
    X(SEND_EAGAIN, "send finds no room although there is some")                                  \
    X(SEND_SHORT, "send takes one byte")                                                         \
    X(SEND_ENOBUFS, "send finds no buffers")                                                     \
    X(ACCEPT_EINTR, "accept is interrupted")                                                     \
    X(ACCEPT_EAGAIN, "accept finds nobody although there is somebody")                           \
    X(ACCEPT_ECONNABORTED, "the connection has gone before it is accepted")                      \
    X(ACCEPT_EMFILE, "accept finds no free descriptor")

enum gosi_fault {
#define GOSI_FAULT_ENUM(name, text) GOSI_FAULT_##name,
    GOSI_FAULTS(GOSI_FAULT_ENUM)
#undef GOSI_FAULT_ENUM
    GOSI_FAULT_KINDS
};

/* From now on, each call has a fault with a probability of per_mille / 1000, chosen by the seed among those of its kind
 * that are in mask (bit 1 << enum gosi_fault). edges: the pollers tell of changes, so that a false EAGAIN has to bring one
 * about; there is none before a thread has used its epoll through this platform. Counters start at 0. */
void gosi_faults_start(uint64_t seed, unsigned per_mille, uint64_t mask, int edges);
void gosi_faults_stop(void);
const char *gosi_fault_name(int fault); /* "POLL_EINTR" */
uint64_t gosi_fault_count(int fault);   /* how often it has been put in */

#endif
