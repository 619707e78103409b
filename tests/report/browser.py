"""A headless Chromium, spoken to over a pipe by the DevTools protocol: JSON messages that end with NUL."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

TIME_LIMIT_S = 120  # generous: a slow machine is no failure, a hang is
FLAGS = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
]


def find_chromium():
    return shutil.which("chromium")


class Browser:
    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="mayfly-look-", ignore_cleanup_errors=True)
        (its_input, self.to), (self.of, its_output) = os.pipe(), os.pipe()
        # The sandbox of Chromium refuses root, and what it opens here is our own page.
        flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
        # The shell puts the pipes on the descriptors that Chromium wants, 3 and 4. Its input has the lowest number of
        # all, so neither overwrites the other; numbers of two digits are bash's alone.
        shell = ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "bash"]
        self.process = subprocess.Popen(
            [*shell, program, *flags, f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(its_input, its_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(its_input)
        os.close(its_output)
        self.received, self.number, self.events, self.session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)  # which is its order to end
        os.close(self.of)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        deadline = time.monotonic() + TIME_LIMIT_S
        while b"\0" not in self.received:
            if not select.select([self.of], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RuntimeError(f"chromium said nothing for {TIME_LIMIT_S} s")
            chunk = os.read(self.of, 1 << 20)
            if not chunk:
                raise RuntimeError("chromium ended")
            self.received += chunk
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def open(self, path, width, height, scale, dark=False, media="screen"):
        """Shows a file as a screen of this size would, and drops what happened before."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.events.clear()
        self.call("Page.navigate", url=f"file://{path}")
        self.wait_for("Page.loadEventFired")

    def requests(self):
        """What the page has asked for, besides itself."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("file://") or asked.count(url) > 1]

    def complaints(self):
        """What the browser itself says of the page: its policy broken, markup that it cannot use."""
        return [event["params"]["entry"]["text"] for event in self.events if event.get("method") == "Log.entryAdded"]

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "a script failed"))
        return answer["result"].get("value")

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def print_to(self, path):
        data = self.call("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
