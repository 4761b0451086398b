# Programs in interpreted languages read, compute, start helpers and talk over loopback.
python3 - <<'PY' || true
import json, os, subprocess, tempfile, http.server, threading, urllib.request
with tempfile.TemporaryDirectory() as d:
    open(os.path.join(d, 'a.json'), 'w').write(json.dumps({'a': 1}))
    subprocess.run(['ls', d], check=True, capture_output=True)
s = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
urllib.request.urlopen('http://127.0.0.1:%d/' % s.server_port).read()
s.shutdown()
PY
perl -e 'open my $f, ">", "out" or die; print $f join(",", sort { $a <=> $b } map { int rand 100 } 1 .. 100); close $f; system "wc", "-c", "out"'
node -e 'require("http").createServer((q, r) => r.end("x")).listen(0, "127.0.0.1", function () { fetch(`http://127.0.0.1:${this.address().port}`).then((r) => r.text()).then(() => process.exit()) })'
