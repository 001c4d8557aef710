//! Hosts that are network namespaces of this computer, each with a connection of its own to a switch.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The prefix of the names of namespaces, before the process that has made them.
const PREFIX: &str = "dgm-mpi-";

/// The addresses of all hosts.
const SUBNET: &str = "10.77.0";

/// Hosts, which are removed with the value.
pub(super) struct Network {
    hosts: usize,
    /// The program with which `mpirun` starts its helper on another host.
    agent: PathBuf,
}

impl Network {
    /// Makes hosts, or says why that is impossible.
    pub(super) fn of(hosts: usize, place: &Path) -> Result<std::result::Result<Self, String>> {
        if !cfg!(target_os = "linux") {
            return Ok(Err("network namespaces need Linux".into()));
        }
        remove_stale();
        let agent = place.join("agent.sh");
        let host = format!("$(echo \"$1\" | sed 's/{SUBNET}.//')");
        let name = format!("{PREFIX}{}-{host}", std::process::id());
        let script = format!("#!/bin/sh\nexport host={name}\nshift\n{}\n", inside("$host", "sh -c \"$*\""));
        fs::write(&agent, script)?;
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755))?;
        let network = Self { hosts, agent };
        Ok(network.made().map(|()| network))
    }

    fn made(&self) -> std::result::Result<(), String> {
        let switch = namespace(0);
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for host in 1..=self.hosts {
            let (name, port, address) = (namespace(host), format!("port{host}"), format!("{SUBNET}.{host}/24"));
            ip(&["netns", "add", &name])?;
            ip(&["-n", &name, "link", "add", "wire", "type", "veth", "peer", "name", &port, "netns", &switch])?;
            ip(&["-n", &name, "address", "add", &address, "dev", "wire"])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch"])?;
            ip(&["-n", &switch, "link", "set", &port, "up"])?;
            ip(&["-n", &name, "link", "set", "wire", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// Limits each connection to a rate in both directions, and delays messages where the kernel can. The answer says
    /// what holds.
    pub(super) fn limited(&self) -> Result<&'static str> {
        let mut delayed = true;
        for host in 1..=self.hosts {
            delayed &= limit(&namespace(host), "wire", true)?;
            limit(&namespace(0), &format!("port{host}"), false)?;
        }
        Ok(if delayed { "1 Gbit/s, 0.2 ms" } else { "1 Gbit/s, no added delay (this kernel has no netem)" })
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

fn ip(words: &[&str]) -> std::result::Result<(), String> {
    said("ip", words)
}

/// Limits what a device sends. The answer is whether it is delayed as well.
fn limit(namespace: &str, device: &str, delay: bool) -> Result<bool> {
    let add = |words: &[&str]| said("tc", &[&["-n", namespace, "qdisc", "add", "dev", device], words].concat());
    let rate = ["root", "handle", "1:", "tbf", "rate", "1gbit", "burst", "128kb", "latency", "50ms"];
    add(&rate)?;
    Ok(delay && add(&["parent", "1:1", "handle", "2:", "netem", "delay", "0.2ms", "limit", "100000"]).is_ok())
}

/// Runs a program; a failure is its text.
fn said(program: &str, words: &[&str]) -> std::result::Result<(), String> {
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
