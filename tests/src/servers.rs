//! Stores that run beside the recorder: SeaweedFS as S3, Apache as WebDAV. Each in a folder of its own, ended by pid.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{Process, Slot, script, wait};

/// A store that can be ended and started again.
#[derive(Debug)]
pub struct Server {
    command: Command,
    port: u16,
    /// Where it keeps what it was given.
    pub folder: PathBuf,
    /// `[archive]` of a recorder that uses it, key by key.
    pub settings: Value,
    /// The same in TOML.
    pub section: String,
    process: Option<Process>,
}

/// Access key and secret key of the bucket; user and password of the tree.
const NAME: &str = "recorder-test";
const SECRET: &str = "not-a-real-secret";

impl Server {
    /// Starts it and waits until it takes connections.
    pub fn start(&mut self) {
        let log = self.folder.with_extension("log");
        let process = Process::start(&mut self.command, &log);
        let port = self.port;
        self.process = Some(process);
        wait::until(60, "a store that listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("KILL");
            process.wait(30);
        }
    }

    /// It keeps its connections and takes new ones, but does nothing any more until it thaws.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.process.as_ref().expect("a running store").signal("STOP");
    }

    /// It goes on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.process.as_ref().expect("a running store").signal("CONT");
    }

    /// What it printed.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default()
    }
}

/// An S3 service with the bucket `recordings`. Not started yet.
///
/// # Panics
/// When its files cannot be written.
pub fn s3(slot: &mut Slot, under: &Path) -> Server {
    let folder = under.join("s3");
    std::fs::create_dir_all(&folder).expect("a folder");
    let identities = under.join("s3.json");
    let identity = format!(
        r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{NAME}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    std::fs::write(&identities, identity).expect("a file");
    let mut command = Command::new(script::path("tools/python/bin/weed"));
    command.arg("server").arg(format!("-dir={}", folder.display())).args([
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
    ]);
    let s3 = slot.port();
    command.arg(format!("-s3.port={s3}")).arg(format!("-s3.config={}", identities.display()));
    for name in [
        "s3.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
    ] {
        command.arg(format!("-{name}={}", slot.port()));
    }
    // Its further doors have fixed ports, and it would report to its makers.
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]);
    command.args(["-master.volumeSizeLimitMB=64", "-volume.max=20", "-volume.minFreeSpace=0"]).current_dir(under);
    let settings = json!({
        "url": "s3://recordings/node-1",
        "endpoint": format!("http://127.0.0.1:{s3}"),
        "region": "us-east-1",
        "allow_http": true,
        "access_key": NAME,
        "secret_key": SECRET,
        "timeout_s": 5,
    });
    Server { command, port: s3, folder, section: section(&settings), settings, process: None }
}

/// Makes the bucket, as an operator would.
///
/// # Panics
/// When the service refuses for a minute.
pub fn make_bucket(server: &Server) {
    wait::until(60, "a bucket", || {
        let code = curl(server, &["-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT"], "");
        matches!(code.as_str(), "200" | "409")
    });
}

/// The header of an object of the bucket, as another client than ours sees it.
pub fn head(server: &Server, object: &str) -> String {
    curl(server, &["-I"], &format!("/{object}"))
}

fn curl(server: &Server, arguments: &[&str], below: &str) -> String {
    let url = format!("http://127.0.0.1:{}/recordings{below}", server.port);
    let mut curl = Command::new("curl");
    curl.args(["-s", "-m", "5", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &format!("{NAME}:{SECRET}")]);
    crate::process::run(curl.args(arguments).arg(url)).1
}

/// A WebDAV tree behind basic authentication. Not started yet.
///
/// # Panics
/// When its files cannot be written.
pub fn webdav(slot: &mut Slot, under: &Path) -> Server {
    let (folder, etc) = (under.join("dav"), under.join("apache"));
    for path in [folder.join("recordings"), etc.clone()] {
        std::fs::create_dir_all(&path).expect("a folder");
    }
    let port = slot.port();
    let (_, hash, _) = crate::process::run(Command::new("openssl").args(["passwd", "-apr1", SECRET]));
    std::fs::write(etc.join("users"), format!("{NAME}:{}\n", hash.trim())).expect("a file");
    let modules = ["mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_fs"];
    let load = |name: &&str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let is_root = crate::process::run(Command::new("id").arg("-u")).1.trim() == "0";
    let config = format!(
        "ServerRoot {etc}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {etc}/pid\nErrorLog {etc}/errors\n{modules}\
         {user}DocumentRoot {tree}\nDavLockDB {etc}/locks\n<Directory {tree}>\nDav On\nAuthType Basic\nAuthName dav\n\
         AuthUserFile {etc}/users\nRequire valid-user\n</Directory>\n",
        etc = etc.display(),
        tree = folder.display(),
        modules = modules.iter().map(load).collect::<String>(),
        user = if is_root { "User www-data\nGroup www-data\n" } else { "" },
    );
    std::fs::write(etc.join("httpd.conf"), config).expect("a file");
    if is_root {
        hand_over(under, &[&folder, &etc]);
    }
    let mut command = Command::new("/usr/sbin/apache2");
    // One process: ended by its pid, it leaves no child behind.
    command.arg("-X").arg("-d").arg(&etc).arg("-f").arg(etc.join("httpd.conf"));
    let settings = json!({
        "url": format!("webdav+http://127.0.0.1:{port}/recordings"),
        "allow_http": true,
        "access_key": NAME,
        "secret_key": SECRET,
        "timeout_s": 5,
    });
    Server { command, port, folder, section: section(&settings), settings, process: None }
}

/// Texts, numbers and truth values are written alike in JSON and TOML.
fn section(settings: &Value) -> String {
    let keys = settings.as_object().into_iter().flatten();
    keys.fold("[archive]\n".to_owned(), |text, (key, value)| text + &format!("{key} = {value}\n"))
}

/// Apache gives up root before it writes: its folders belong to the user it becomes, who must reach them.
fn hand_over(under: &Path, folders: &[&Path]) {
    let mut chown = Command::new("chown");
    assert_eq!(crate::process::run(chown.args(["-R", "www-data:www-data"]).args(folders)).0, 0, "chown");
    assert_eq!(crate::process::run(Command::new("chmod").arg("o+x").arg(under)).0, 0, "chmod");
}
