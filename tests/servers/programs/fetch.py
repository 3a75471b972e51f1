"""fetch.py LIBRARY URL COUNT [CA]: COUNT pages, none of which comes before all have been asked for."""

import hashlib
import sys

import crowd

library, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ca = sys.argv[4] if len(sys.argv) > 4 else None

if library == "requests":
    import requests

    def get(n):
        with requests.Session() as session:
            met = session.get(f"{url}/meet/{n}", verify=ca or True, timeout=60)
            page = session.get(f"{url}/data/{n}", verify=ca or True, timeout=60)
            posted = session.post(f"{url}/echo", json={"n": n}, verify=ca or True, timeout=60)
        return [met.status_code, met.text, page.headers["Content-Type"], hashlib.sha256(page.content).hexdigest(), posted.json()]

elif library == "urllib3":
    import urllib3

    pool = urllib3.PoolManager(maxsize=count, block=True, ca_certs=ca)  # one for all

    def get(n):
        met = pool.request("GET", f"{url}/meet/{n}", timeout=60)
        page = pool.request("GET", f"{url}/data/{n}", timeout=60)
        posted = pool.request("POST", f"{url}/echo", json={"n": n}, timeout=60)
        return [met.status, met.data.decode(), page.headers["Content-Type"], hashlib.sha256(page.data).hexdigest(), posted.json()]

else:
    import json
    import urllib.request

    def get(n):
        with urllib.request.urlopen(f"{url}/meet/{n}", timeout=60) as met, urllib.request.urlopen(f"{url}/data/{n}", timeout=60) as page:
            echo = urllib.request.Request(f"{url}/echo", json.dumps({"n": n}).encode(), {"Content-Type": "application/json"})
            with urllib.request.urlopen(echo, timeout=60) as posted:
                return [met.status, met.read().decode(), page.headers["Content-Type"], hashlib.sha256(page.read()).hexdigest(),
                        json.load(posted)]  # fmt: skip

crowd.together(count, get)
