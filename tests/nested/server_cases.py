"""Servers and run-times as Debian's packages install them, by their own defaults and as their own users, each with a
client in the same guest. make-servers makes the images."""

import pathlib
import re
import shlex

from checks import check
from kit import case
from image_cases import call

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"

LIMIT_S = 900  # of the slow ones, in the emulator

# start NAME: the package's own script starts it, and says so.
PREPARE = """
set -e
start() { service "$1" start >/tmp/started 2>&1 || { cat /tmp/started /var/log/"$2" >&2; exit 1; }; }
users() { for pid in $(pidof "$1"); do stat -c %U /proc/"$pid"; done | sort | uniq -c | awk '{ print $2 "*" $1 }' | paste -sd ' '; }
"""


def serve(t, image, script, wanted, *, stdin=b"", flags=("--memory", "512M"), seconds=LIMIT_S):
    status, output, errors = call(
        t, t.server_image(image), "sh", "-c", PREPARE + script, stdin=stdin, flags=flags, seconds=seconds
    )
    check("status and stderr", (status, errors.decode(errors="replace")), (0, ""))
    check("what it said", output.decode(errors="replace").splitlines(), wanted)


# Processes with what they share: semaphores and memory in /dev/shm, pipes and sockets; started in each way there is.
MULTIPROCESSING = b"""
import multiprocessing
from multiprocessing import shared_memory

def work(name, lock, total, queue, barrier):
    part = shared_memory.SharedMemory(name)
    for _ in range(100):
        with lock:
            total.value += part.buf[0]
    part.buf[1] = 5
    part.close()
    queue.put(total.value > 0)
    barrier.wait()

def square(number):
    return number * number

if __name__ == "__main__":
    for way in ("fork", "forkserver"):
        one = multiprocessing.get_context(way)
        part = shared_memory.SharedMemory(create=True, size=1 << 20)
        part.buf[0] = 3
        lock, total, queue, barrier = one.Lock(), one.Value("i", 0, lock=False), one.Queue(), one.Barrier(3)
        workers = [one.Process(target=work, args=(part.name, lock, total, queue, barrier)) for _ in range(2)]
        for worker in workers:
            worker.start()
        said = [queue.get() for _ in workers]
        barrier.wait()
        for worker in workers:
            worker.join()
        print(way, said, total.value, part.buf[1], [worker.exitcode for worker in workers])
        part.close()
        part.unlink()
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(square, range(100))))
"""


@case()
def server_python_multiprocessing(t):
    wanted = ["fork [True, True] 600 5 [0, 0]", "forkserver [True, True] 600 5 [0, 0]", "328350"]
    flags = ("--memory", "256M", "--vcpus", "2", "--user", "nobody")
    script = "cat >/tmp/program.py; exec python3 /tmp/program.py"
    serve(t, "services", script, wanted, stdin=MULTIPROCESSING, flags=flags)


@case()
def server_python_of_the_readme(t):
    """The first example of an image, as it stands there."""
    line = re.search(
        r"^    mayfly run --image app\.img -- (python3 .*)", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    found = call(t, t.server_image("services"), *shlex.split(line[1]))
    check("the example", found, (0, b"Hello from mayfly\n", b""))


@case()
def server_redis(t):
    script = """
        start redis-server redis/redis-server.log
        redis-cli set greeting hello; redis-cli append greeting ' world'; redis-cli get greeting
        redis-cli bgsave >/dev/null
        until [ -s /var/lib/redis/dump.rdb ]; do sleep 0.2; done
        users redis-server; stat -c %U /var/lib/redis/dump.rdb
        redis-cli shutdown; [ -z "$(pidof redis-server)" ] && echo ended"""
    serve(t, "services", script, ["OK", "11", "hello world", "redis*1", "redis", "ended"])


@case()
def server_nginx(t):
    script = r"""
        start nginx nginx/error.log
        bash -c 'exec 3<>/dev/tcp/localhost/80; printf "GET / HTTP/1.0\r\n\r\n" >&3; cat <&3' | tr -d '\r' |
            grep -e ^HTTP -e ^Server -e '^<h1>' | sed "s|nginx/.*|nginx|"
        users nginx; grep -c ' 200 ' /var/log/nginx/access.log
        service nginx stop >/dev/null; cat /var/log/nginx/error.log"""
    wanted = ["HTTP/1.1 200 OK", "Server: nginx", "<h1>Welcome to nginx!</h1>", "root*1 www-data*2", "1"]
    serve(t, "services", script, wanted, flags=("--memory", "256M", "--vcpus", "2"))


@case(when="long", limit_s=LIMIT_S)
def server_postgresql(t):
    """With what needs shared memory of each kind: parallel workers, a cluster that is started anew after a crash."""
    script = """
        start postgresql postgresql/postgresql-15-main.log
        sql() { runuser -u postgres -- psql -qAtX -c "$1"; }
        sql 'create table t as select i, md5(i::text) as m from generate_series(1, 100000) as s(i); create index on t(m); analyze t'
        sql 'select i from t where m = md5($$4711$$)'
        sql 'set force_parallel_mode = on; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
            set min_parallel_table_scan_size = 0; select count(*), sum(length(m)) from t;
            explain (analyze, timing off) select count(*) from t' | grep -e '^[0-9]' -e 'Launched: [1-9]' | sed 's/^ *//; s/: .*//'
        sql 'show shared_memory_type; show dynamic_shared_memory_type' | paste -sd ' '
        users postgres | sed 's/[*].*//'
        kill -9 $(head -1 /var/lib/postgresql/15/main/postmaster.pid)
        while pidof postgres >/dev/null; do sleep 0.2; done
        start postgresql postgresql/postgresql-15-main.log
        sql 'select count(*) from t'
        service postgresql stop >/dev/null; pg_lsclusters -h | cut -d ' ' -f 1-4"""
    wanted = ["4711", "100000|3200000", "Workers Launched", "mmap posix", "postgres", "100000", "15 main 5432 down"]
    serve(t, "postgresql", script, wanted, flags=("--memory", "512M", "--vcpus", "2"))


NODE = b"""
const http = require("http");
const { Worker } = require("worker_threads");
const program = `const { parentPort, workerData } = require("worker_threads");
  const cells = new Int32Array(workerData);
  for (let i = 0; i < 1000; ++i) Atomics.add(cells, 0, 1);
  parentPort.postMessage("done");`;
const memory = new SharedArrayBuffer(4);
const worker = () => new Promise((done) => new Worker(program, { eval: true, workerData: memory }).on("message", done));
const server = http.createServer(async (request, answer) => {
  await Promise.all([worker(), worker()]);
  answer.end(JSON.stringify({ path: request.url, count: new Int32Array(memory)[0] }));
});
server.listen(0, "localhost", async () => {
  const answer = await fetch(`http://localhost:${server.address().port}/count`);
  console.log(answer.status, await answer.text());
  require("child_process").exec("id -un", (error, output) => { console.log(output.trim()); process.exit(); });
});
"""


@case(when="long", limit_s=LIMIT_S)
def server_node(t):
    """A server whose worker threads share memory, a client, and a child process."""
    flags = ("--memory", "512M", "--vcpus", "2", "--user", "nobody")
    serve(t, "node", "exec node -", ['200 {"path":"/count","count":2000}', "nobody"], stdin=NODE, flags=flags)


JAVA = b"""
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.net.http.*;
import java.util.concurrent.*;
import java.util.stream.*;

class Program {
    public static void main(String[] words) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            var answer = ("sum " + IntStream.rangeClosed(1, 1000).parallel().sum()).getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        var address = URI.create("http://localhost:" + server.getAddress().getPort());
        var client = HttpClient.newHttpClient();
        var asked = IntStream.range(0, 8).mapToObj(i -> client.sendAsync(
            HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString())).toList();
        System.out.println(asked.stream().map(one -> one.join().body()).distinct().toList());
        System.out.println(Runtime.getRuntime().availableProcessors() + " " + System.getProperty("user.name"));
        System.exit(0);
    }
}
"""


@case(when="long", limit_s=LIMIT_S)
def server_java(t):
    """A source program by its launcher: compiler, threads, a server and its clients."""
    flags = ("--memory", "1G", "--vcpus", "2", "--user", "nobody")
    script = "java -version 2>&1 | grep -c 'OpenJDK Runtime'; cat >/tmp/Program.java; exec java /tmp/Program.java"
    serve(t, "java", script, ["1", "[sum 500500]", "2 nobody"], stdin=JAVA, flags=flags)
