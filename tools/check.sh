#!/usr/bin/env bash
# Usage: check.sh WHAT PYTHON [pytest arguments]
# Runs the tests of what tools/build.sh or tools/install.sh has built.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

what=$1
python=$2
shift 2
version=$(python_version "$python")
venv=$root/.venv-$version
export PATH=$venv/bin:$PATH
all_tests=(tests/python tests/exit tests/regress tests/sim)

c_tests() {  # DIR [meson test arguments]
    local dir=$1
    shift
    say "C tests of $dir"
    meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes "$jobs" "$@"
}

# Several at a time, since no test of ours measures time. The first is seen at work, the others when they have ended.
python_tests() {  # pytest arguments
    local pids=() logs=() k status=0 rc
    say "Python $version tests, in $jobs parts at a time: pytest $*"
    # Whoever ends us for want of time will ask what the others were at.
    trap 'for log in "${logs[@]}"; do say "unfinished:"; tail -n 40 "$log"; done; exit 143' TERM
    for ((k = 2; k <= jobs; k++)); do
        logs+=("$(mktemp)")
        "$venv/bin/python" -m pytest --part="$k/$jobs" "$@" > "${logs[-1]}" 2>&1 &
        pids+=($!)
    done
    "$venv/bin/python" -m pytest --part="1/$jobs" "$@" || status=$?
    [ $status -ne 5 ] || status=0 # none of the chosen tests was in this part
    for k in "${!pids[@]}"; do
        rc=0
        wait "${pids[$k]}" || rc=$?
        [ $rc -ne 5 ] || rc=0
        [ $rc -eq 0 ] || status=$rc
        say "part $((k + 2)) of $jobs:"
        cat "${logs[$k]}"
        rm -f "${logs[$k]}"
    done
    trap - TERM
    return $status
}

case $what in
    core)
        c_tests build/core
        ;;
    aarch64)
        c_tests build/aarch64 --timeout-multiplier 10
        ;;
    i386)
        c_tests build/i386
        ;;
    tsan)
        TSAN_OPTIONS=halt_on_error=1 GOSSAMER_STACKS=own c_tests build/tsan "$@"
        ;;
    python)
        python_tests "${all_tests[@]}" tests/sealed tests/servers "$@"
        ;;
    short)
        python_tests -m 'not slow' tests/regress tests/sim tests/python/test_{channel,schedule,run,throw,gc,frames}.py "$@"
        ;;
    asan)
        dir=$root/build/asan-$version
        reports=$dir/reports
        rm -rf "$reports"
        mkdir -p "$reports"
        export GOSSAMER_STACKS=own UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
        ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0 c_tests "$dir" --timeout-multiplier 5
        # pytest captures standard error, and a crash would take the report along.
        status=0
        # libstdc++ comes in early, or the sanitizer does not find the throw of an extension written in C++ (greenlet).
        LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so.6)" PYTHONMALLOC=malloc PYTHONPATH=$dir/site \
        ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1:log_path=$reports/asan \
            python_tests -p no:faulthandler -m 'not slow' --timeout=600 "${@:-${all_tests[@]}}" || status=$?
        if [ -n "$(ls -A "$reports")" ]; then
            say "sanitizer reports:"
            head -n 60 "$reports"/*
            exit 1
        fi
        exit $status
        ;;
    torture)
        dir=$root/build/torture-$version
        c_tests "$dir" --timeout-multiplier 10
        GOSSAMER_SLOTS=1 GOSSAMER_EVICT=always GOSSAMER_COMPRESS=always PYTHONPATH=$dir/site \
            python_tests -m 'not slow' --timeout=600 "${@:-${all_tests[@]}}"
        ;;
    valgrind)
        dir=$root/build/valgrind-$version
        command -v valgrind >/dev/null || die "make valgrind needs valgrind (on Debian: apt-get install valgrind)"
        c_tests "$dir" --setup valgrind
        say "Python $version tests marked valgrind, under valgrind"
        GOSSAMER_STACKS=slots PYTHONMALLOC=malloc PYTHONPATH=$dir/site \
            valgrind --quiet --undef-value-errors=no --error-exitcode=9 --suppressions=tools/valgrind.supp \
            "$venv/bin/python" -m pytest -p no:faulthandler -m valgrind --timeout=1200 "${@:-${all_tests[@]}}"
        ;;
    *)
        die "check.sh does not know '$what'"
        ;;
esac
