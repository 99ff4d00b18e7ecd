//! nginx: the API behind everything, and the floor.

use std::{fs, path::Path};

use testkit::Child;

/// An API that answers at once.
pub fn api(folder: &Path, port: u16) -> Child {
    // {"orders":["…"]}, 1 KB in all.
    let body = format!(r#"{{"orders":["{}"]}}"#, "x".repeat(1024 - 15));
    let server = format!(
        "default_type application/json;
        location / {{ return 200 '{body}'; }}"
    );
    start(folder, "api", port, "", &server)
}

/// nginx's bare `proxy_pass` to the port `api`.
pub fn floor(folder: &Path, port: u16, api: u16) -> Child {
    let upstream = format!(
        "upstream api {{
        server 127.0.0.1:{api};
        keepalive 64;
        keepalive_requests 1000000000;
    }}"
    );
    let server = "location / {
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }";
    start(folder, "floor", port, &upstream, server)
}

/// One process, which is a worker itself.
fn start(folder: &Path, name: &str, port: u16, upstream: &str, server: &str) -> Child {
    let own = folder.join(name);
    fs::create_dir_all(&own).expect("a folder of our own");
    let own = own.display();
    let text = format!(
        "daemon off;
master_process off;
pid {own}/pid;
error_log {own}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi;
    scgi_temp_path {own}/scgi;
    {upstream}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"
    );
    let config = folder.join(format!("{name}.conf"));
    fs::write(&config, text).expect("a folder of our own");
    let flags = ["-c".to_owned(), config.display().to_string()];
    let log = folder.join(format!("{name}.log"));
    Child::spawn(Path::new("nginx"), &flags, &[], log)
}
