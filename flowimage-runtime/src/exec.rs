//! Flows that are a program of another language: the flow binary stays in front and runs it as its child.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::flow::FlowError;
use crate::run::{GRACE, Reason, Stop};

/// The variable in which the program finds the flow's parameters, a JSON object.
pub const PARAMETERS: &str = "FLOWIMAGE_PARAMETERS";

/// How long a signal that asks this process to stop may take to come here too.
const UNHEARD: Duration = Duration::from_millis(20);

/// Runs the program to its end. What it writes goes where this process writes; signals to this process reach it.
///
/// Asked to stop, it and its children have a moment to end by themselves, and are then ended: nothing of it outlives the
/// run.
///
/// # Errors
/// It cannot be started; it ended with another status than 0, or by a signal.
pub async fn run(words: &[String], parameters: Value, stop: &Stop) -> Result<Value, FlowError> {
    let failed = |message: String| FlowError { chain: vec![message] };
    let Some((program, arguments)) = words.split_first() else {
        return Err(failed("`exec` names no program".to_owned()));
    };
    let mut signals = signals().map_err(|error| failed(format!("cannot listen to signals: {error}")))?;
    let child = Command::new(program)
        .args(arguments)
        .env(PARAMETERS, parameters.to_string())
        .stdin(Stdio::null())
        // A group, so that signals reach the programs that a script waits for.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| FlowError {
        chain: vec![
            format!("cannot start `{program}`, which `exec` names"),
            error.to_string(),
            "it must be in the image: name its package in `system_dependencies`, or copy it with `files`"
                .to_owned(),
        ],
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let tell = |signal| {
        // One that is gone already cannot be reached, and needs not to be.
        let _ = group.map(|group| kill_process_group(group, signal));
    };
    let (mut told, mut told_by_us, mut asked) = (false, false, false);
    let (end, unheard) = (tokio::time::sleep(GRACE), tokio::time::sleep(GRACE));
    tokio::pin!(end, unheard);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(signal) = signals.recv() => {
                let asks = matches!(signal, Signal::TERM | Signal::INT);
                told |= asks;
                // The program was told already when it came late.
                if !(asks && std::mem::take(&mut told_by_us)) {
                    tell(signal);
                }
            }
            reason = stop.requested(), if !asked => {
                asked = true;
                // The signal itself is passed on, where it did not come before anybody listened here.
                let wait = if reason == Reason::Terminated { UNHEARD } else { Duration::ZERO };
                unheard.as_mut().reset(Instant::now() + wait);
                // Before this process ends without having waited.
                end.as_mut().reset(Instant::now() + GRACE / 2);
            }
            () = &mut unheard, if asked && !told => {
                (told, told_by_us) = (true, true);
                tell(Signal::TERM);
            }
            () = &mut end, if asked => {
                tell(Signal::KILL);
                break child.wait().await;
            }
        }
    };
    if asked {
        tell(Signal::KILL);
    }
    match status {
        Ok(status) if status.success() => Ok(Value::Null),
        Ok(status) => Err(failed(format!("`{}` {}", words.join(" "), ending(status)))),
        Err(error) => Err(failed(format!("`{program}` cannot be waited for: {error}"))),
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}

/// The signals that orchestrators send, as they come.
fn signals() -> std::io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for (kind, passed_on) in [
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::interrupt(), Signal::INT),
        (SignalKind::hangup(), Signal::HUP),
        (SignalKind::quit(), Signal::QUIT),
        (SignalKind::user_defined1(), Signal::USR1),
        (SignalKind::user_defined2(), Signal::USR2),
    ] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(passed_on).is_ok() {} });
    }
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A signal to this process reaches the programs of all tests.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    async fn shell(script: &str) -> Result<Value, FlowError> {
        let _alone = ALONE.lock().await;
        let words = ["sh", "-c", script].map(str::to_owned);
        run(&words, json!({"day": 2}), &Stop::default()).await
    }

    #[tokio::test]
    async fn the_programs_end_is_the_flows() {
        let given = format!("test \"${PARAMETERS}\" = '{{\"day\":2}}'");
        assert_eq!(shell(&given).await, Ok(Value::Null));
        let failed = shell("exit 3").await.unwrap_err();
        assert_eq!(failed.to_string(), "`sh -c exit 3` ended with exit status 3");
        let killed = shell("kill -9 $$").await.unwrap_err();
        assert_eq!(killed.to_string(), "`sh -c kill -9 $$` was ended by signal 9");
        let missing = run(&["/nonexistent/program".to_owned()], json!({}), &Stop::default()).await;
        assert!(
            missing
                .unwrap_err()
                .to_string()
                .contains("cannot start `/nonexistent/program`")
        );
    }

    #[tokio::test]
    async fn signals_reach_the_program() {
        // The shell asks for the signal itself, once it is ready for it.
        let script = "trap 'exit 42' USR1; kill -USR1 $PPID; while :; do sleep 0.01; done";
        let ended = shell(script).await.unwrap_err();
        assert!(
            ended.to_string().ends_with("ended with exit status 42"),
            "{ended}"
        );
    }

    /// A script that writes a file when it is ready is asked to stop then. What it wrote, and how it ended.
    async fn asked_when_ready(script: &str, reason: Reason) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready");
        let script = script.replace("READY", &format!("> {0}.new; mv {0}.new {0}", file.display()));
        let words = ["sh", "-c", &script].map(str::to_owned);
        let stop = Stop::default();
        let _alone = ALONE.lock().await;
        let ready = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.request(reason);
            std::fs::read_to_string(&file).unwrap()
        };
        let (ended, wrote) = tokio::join!(run(&words, json!({}), &stop), ready);
        (wrote.trim().to_owned(), ended.unwrap_err().to_string())
    }

    #[tokio::test]
    async fn a_signal_that_came_before_the_program_reaches_it() {
        let script = "trap 'exit 42' TERM; echo READY; while :; do sleep 0.01; done";
        let (_, ended) = asked_when_ready(script, Reason::Terminated).await;
        assert!(ended.ends_with("ended with exit status 42"), "{ended}");
    }

    #[tokio::test]
    async fn who_minds_no_request_is_ended_with_its_children() {
        let script = "trap '' TERM; sleep 600 & echo $! READY; wait";
        let (child, ended) = asked_when_ready(script, Reason::Cancelled).await;
        assert!(ended.ends_with("was ended by signal 9"), "{ended}");
        let stat = format!("/proc/{child}/stat");
        // Whoever is its parent now may not have waited for it yet.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
