// A VM by Node's own http client: kept connections, and bodies in chunks, which it sends where nobody says how long they
// are. usage: client.js FIRECRACKER SOCKET KERNEL DISK OTHER_DISK [TAP]
"use strict";
const assert = require("assert");
const fs = require("fs");
const http = require("http");
const {spawn} = require("child_process");

const [binary, socketPath, kernel, disk, other, tap] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const connections = new Set();

function request(method, path, body) {
    return new Promise((resolve, reject) => {
        const options = {socketPath, method, path, agent, headers: {"Content-Type": "application/json"}};
        const asked = http.request(options, (response) => {
            connections.add(response.socket);
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (part) => (text += part));
            response.on("end", () => {
                if (response.statusCode >= 300) reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
                else resolve(text ? JSON.parse(text) : undefined);
            });
        });
        asked.on("error", reject);
        if (body !== undefined) asked.write(JSON.stringify(body));
        asked.end();
    });
}

async function talk() {
    assert.equal((await request("GET", "/version")).firecracker_version, "1.15.0");
    await request("PUT", "/machine-config", {vcpu_count: 1, mem_size_mib: 64});
    await request("PUT", "/boot-source", {kernel_image_path: kernel, boot_args: "silent boot-signal loop"});
    await request("PUT", "/drives/root", {drive_id: "root", path_on_host: disk, is_root_device: true});
    await request("PUT", "/drives/other", {drive_id: "other", path_on_host: other, is_root_device: false});
    if (tap) await request("PUT", "/network-interfaces/eth0", {iface_id: "eth0", host_dev_name: tap});
    assert.equal((await request("GET", "/vm/config")).drives.length, 2);
    await request("PUT", "/actions", {action_type: "InstanceStart"});
    assert.equal((await request("GET", "/")).state, "Running");
    await request("PATCH", "/vm", {state: "Paused"});
    await request("PATCH", "/vm", {state: "Resumed"});
    await request("PATCH", "/drives/other", {drive_id: "other", path_on_host: disk + ".new"});
    assert.equal(connections.size, 1, "connections");
    console.log("end");
}

const vm = spawn(binary, ["--api-sock", socketPath], {stdio: "inherit"});
const wait = () => (fs.existsSync(socketPath) ? talk().then(() => 0, (error) => (console.error(error), 1)).then(finish) : setTimeout(wait, 10));
function finish(status) {
    vm.on("exit", () => process.exit(status));
    vm.kill();
}
wait();
