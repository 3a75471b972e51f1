package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"unsafe"
)

const (
	clockProcessCPU = 2         // CLOCK_PROCESS_CPUTIME_ID
	roundNS         = 4_000_000 // as in bench/harness.py
)

// now is the CPU time of this process in ns, as bench/harness.py takes it.
func now() int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func rssBytes() int64 {
	file, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Rss:") {
			var kib int64
			fmt.Sscanf(lines.Text(), "Rss: %d kB", &kib)
			return kib * 1024
		}
	}
	panic("no Rss line in /proc/self/smaps_rollup")
}

// shortRounds: work(n) does n*per operations; the best round counts.
func shortRounds(work func(int), per int, budget float64, start int) map[string]any {
	n := start
	for {
		begin := now()
		work(n)
		taken := now() - begin
		if taken >= roundNS {
			break
		}
		n *= 2
	}
	var times []float64
	var spent int64
	for float64(spent) < budget*1e9 || len(times) < 5 {
		begin := now()
		work(n)
		taken := now() - begin
		spent += taken
		times = append(times, float64(taken)/float64(n*per))
	}
	sort.Float64s(times)
	return map[string]any{"best": times[0], "median": times[len(times)/2], "rounds": len(times), "ops_a_round": n * per}
}

func oneShot(work func(int), n int) map[string]any {
	begin := now()
	work(n)
	return map[string]any{"best": float64(now()-begin) / float64(n), "rounds": 1, "ops_a_round": n}
}

// measureBlocked: memory of n blocked goroutines, by RSS as for every peer,
// and beside it what the Go runtime says it took from the system.
func measureBlocked(n, depth int) map[string]any {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rss := rssBytes()
	create, wake := blocked(n, depth)
	t0 := now()
	create()
	t1 := now()
	rssAfter := rssBytes()
	runtime.ReadMemStats(&after)
	t2 := now()
	wake()
	t3 := now()
	each := float64(n)
	return map[string]any{
		"bytes":     float64(rssAfter-rss) / each,
		"sys_bytes": float64(after.Sys-before.Sys) / each,
		"create":    float64(t1-t0) / each,
		"wake":      float64(t3-t2) / each,
		"n":         n,
	}
}
