//! Hosts that are network namespaces of this computer, each with a connection of its own to a switch.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;

/// The prefix of the names of namespaces, before the process that has made them.
const PREFIX: &str = "dgm-mpi-";

/// The addresses of all hosts.
const SUBNET: &str = "10.77.0";

/// The program that joins network devices of slow connections.
const DELAY: &str = include_str!("delay.py");

/// What [`Network::slow`] makes of connections.
pub(super) const SLOW: &str = "1 Gbit/s, 0.2 ms";

/// The time in seconds that a message from a host to the switch takes at least, if connections are slow.
pub(super) const LATENCY: f64 = 0.2e-3;

/// Hosts, which are removed with the value.
pub(super) struct Network {
    hosts: usize,
    /// The program with which `mpirun` starts its helper on another host.
    agent: PathBuf,
    /// The process that passes the messages of slow connections on.
    delay: Option<Child>,
}

impl Network {
    /// Makes hosts, or says why that is impossible.
    pub(super) fn of(hosts: usize, place: &Path) -> Result<std::result::Result<Self, String>> {
        if !cfg!(target_os = "linux") {
            return Ok(Err("network namespaces need Linux".into()));
        }
        let network = Self::empty(hosts, place)?;
        let wired = |host: usize| {
            let (name, port) = (namespace(host), format!("port{host}"));
            let switch = namespace(0);
            ip(&["-n", &name, "link", "add", "wire", "type", "veth", "peer", "name", &port, "netns", &switch])
        };
        Ok(network.made(wired).map(|()| network))
    }

    /// Makes hosts whose connections carry at most 1 Gbit/s in each direction, and take [`LATENCY`] to the switch.
    pub(super) fn slow(hosts: usize, place: &Path) -> Result<Self> {
        let mut network = Self::empty(hosts, place)?;
        network.delay = Some(delay(hosts, place)?);
        network.made(|host| {
            let (name, port) = (namespace(host), format!("port{host}"));
            ip(&["link", "set", &end(host, "a"), "netns", &name, "name", "wire"])?;
            ip(&["link", "set", &end(host, "b"), "netns", &namespace(0), "name", &port])?;
            limit(&name, "wire")?;
            limit(&namespace(0), &port)
        })?;
        Ok(network)
    }

    fn empty(hosts: usize, place: &Path) -> Result<Self> {
        remove_stale();
        let agent = place.join("agent.sh");
        let host = format!("$(echo \"$1\" | sed 's/{SUBNET}.//')");
        let name = format!("{PREFIX}{}-{host}", std::process::id());
        let script = format!("#!/bin/sh\nexport host={name}\nshift\n{}\n", inside("$host", "sh -c \"$*\""));
        fs::write(&agent, script)?;
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755))?;
        Ok(Self { hosts, agent, delay: None })
    }

    /// Makes namespaces; `wired` makes the device `wire` of a host and its port of the switch.
    fn made(&self, wired: impl Fn(usize) -> Outcome) -> Outcome {
        let switch = namespace(0);
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for host in 1..=self.hosts {
            let (name, port, address) = (namespace(host), format!("port{host}"), format!("{SUBNET}.{host}/24"));
            ip(&["netns", "add", &name])?;
            wired(host)?;
            ip(&["-n", &name, "address", "add", &address, "dev", "wire"])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch"])?;
            ip(&["-n", &switch, "link", "set", &port, "up"])?;
            ip(&["-n", &name, "link", "set", "wire", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// `mpirun` on the first host, for ranks that are spread over all hosts.
    pub(super) fn mpirun(&self, ranks: usize) -> Command {
        let each = ranks.div_ceil(self.hosts);
        let hosts: Vec<String> = (1..=self.hosts).map(|host| format!("{SUBNET}.{host}:{each}")).collect();
        let mut command = Command::new("sh");
        command.arg("-c").arg(inside(&namespace(1), "sh -c 'exec \"$@\"' sh \"$@\"")).args(["sh", "mpirun"]);
        command.args(["--host", &hosts.join(","), "--mca", "plm_rsh_agent"]).arg(&self.agent);
        for option in ["btl_tcp_if_include", "oob_tcp_if_include"] {
            command.args(["--mca", option, &format!("{SUBNET}.0/24")]);
        }
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(delay) = &mut self.delay {
            let _ = delay.kill();
            let _ = delay.wait();
        }
        for host in 0..=self.hosts {
            let _ = ip(&["netns", "delete", &namespace(host)]);
        }
    }
}

/// The namespace of a host, from 1, or of the switch.
fn namespace(host: usize) -> String {
    format!("{PREFIX}{}-{host}", std::process::id())
}

/// A line of shell that runs a command on a host, under the name of the host.
fn inside(host: &str, command: &str) -> String {
    let named = format!("echo {host} > /proc/sys/kernel/hostname; exec \"$@\"");
    format!("exec ip netns exec {host} unshare --uts sh -c '{named}' sh {command}")
}

/// Removes namespaces whose maker was killed.
fn remove_stale() {
    let Ok(list) = Command::new("ip").args(["netns", "list"]).stderr(Stdio::null()).output() else { return };
    for name in String::from_utf8_lossy(&list.stdout).lines().filter_map(|line| line.split(' ').next()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists()) {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// One end of the connection of a host, before it goes to its namespace.
fn end(host: usize, side: &str) -> String {
    format!("d{}-{host}{side}", std::process::id())
}

/// Starts the process that passes messages on, and waits for its devices.
fn delay(hosts: usize, place: &Path) -> Result<Child> {
    let script = place.join("delay.py");
    fs::write(&script, DELAY)?;
    let mut command = Command::new("python3");
    command.arg(&script).arg(LATENCY.to_string()).args((1..=hosts).map(|host| end(host, "")));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("python3 could not start: {error}"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    match line.trim() {
        "ready" => Ok(child),
        _ => Err(format!("{} could not make its devices: {}", script.display(), child.wait()?).into()),
    }
}

/// What a program did; a failure is its text.
type Outcome = std::result::Result<(), String>;

fn ip(words: &[&str]) -> Outcome {
    said("ip", words)
}

/// Limits what a device sends to 1 Gbit/s.
fn limit(namespace: &str, device: &str) -> Outcome {
    let rate = ["root", "tbf", "rate", "1gbit", "burst", "128kb", "latency", "50ms"];
    said("tc", &[&["-n", namespace, "qdisc", "add", "dev", device], &rate[..]].concat())
}

/// Runs a program; a failure is its text.
fn said(program: &str, words: &[&str]) -> Outcome {
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| format!("{program} could not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_commands_run_on_a_host_under_its_name() {
        let line = "exec ip netns exec a unshare --uts sh -c 'echo a > /proc/sys/kernel/hostname; exec \"$@\"' sh b c";
        assert_eq!(inside("a", "b c"), line);
        assert!(said("ip-of-another-name", &[]).unwrap_err().contains("could not start"));
        assert!(said("false", &["x"]).unwrap_err().starts_with("false x:"));
    }
}
