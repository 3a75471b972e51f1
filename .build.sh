cd /tmp/wt/spill; for v in ${*:-3.11 3.12 3.13}; do /tmp/plan/fast2.sh $v /tmp/wt/spill 2>&1 | grep -v lto; rm -rf .site-$v/gossamer/include; cp -r include .site-$v/gossamer/include;done
