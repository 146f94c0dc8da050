//! Tests of the configuration: precedence, names, dangerous starts.

use super::*;

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: Flags) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let file = file.map(|text| {
        let path = folder.path().join("auditlake.toml");
        fs::write(&path, text).unwrap();
        path
    });
    let own = |text: &&str| text.to_string();
    let environment = environment.iter().map(|(name, value)| (own(name), own(value))).collect();
    Config::load(Sources { file, environment, flags })
}

fn refusal(file: Option<&str>, environment: &[(&str, &str)]) -> String {
    load(file, environment, Flags::default()).unwrap_err().to_string()
}

/// Would catch a flag or variable that is overruled by a file, or a source that wipes out another's fields.
#[test]
fn flags_beat_variables_beat_file_beat_defaults() {
    let file = "store = \"from-file\"\nlisten = \"127.0.0.1:1\"\n[http]\nconnections_max = 5\ndrain_ms = 6\n";
    let variables = [
        ("AUDITLAKE_LISTEN", "127.0.0.1:2"),
        ("AUDITLAKE_HTTP__DRAIN_MS", "7"),
        ("AUDITLAKE_STORE", "from-env"),
    ];
    let flags = Flags { store: Some("from-flag".into()), ..Flags::default() };
    let config = load(Some(file), &variables, flags).unwrap();
    assert_eq!(config.store, "from-flag");
    assert_eq!(config.listen.port(), 2);
    assert_eq!((config.http.connections_max, config.http.drain_ms), (5, 7));
    assert_eq!(config.http.head_timeout_ms, http::Settings::default().head_timeout_ms);
}

/// Would catch a lock that nobody can switch on, and one that is switched on under another name than S3's modes have.
#[test]
fn object_lock_is_set_by_its_modes() {
    let name = "AUDITLAKE_OBJECT_STORE__S3__OBJECT_LOCK";
    for (mode, expected) in [
        ("off", store::ObjectLock::Off),
        ("governance", store::ObjectLock::Governance),
        ("compliance", store::ObjectLock::Compliance),
    ] {
        let config = load(None, &[(name, mode)], Flags::default()).unwrap();
        assert_eq!(config.object_store.s3.object_lock, expected);
        assert!(config.to_toml().contains(&format!("object_lock = \"{mode}\"")));
    }
    assert!(refusal(None, &[(name, "on")]).contains("compliance"));
}

/// Would catch a mistyped field that silently keeps its default.
#[test]
fn unknown_names_are_refused_by_name() {
    let error = refusal(Some("[http]\nconections_max = 5\n"), &[]);
    assert!(error.contains("auditlake.toml") && error.contains("conections_max"), "{error}");
    let error = refusal(Some("sotre = \"x\"\n"), &[]);
    assert!(error.contains("sotre"), "{error}");
    let error = refusal(None, &[("AUDITLAKE_HTTP__CONECTIONS_MAX", "5")]);
    assert!(error.contains("AUDITLAKE_HTTP__CONECTIONS_MAX"), "{error}");
    let error = refusal(None, &[("AUDITLAKE_HTTP__", "5")]);
    assert!(error.contains("AUDITLAKE_HTTP__"), "{error}");
    load(None, &[("AUDITLAKE_KEY", "of the command line"), ("HTTP__X", "")], Flags::default()).unwrap();
}

/// Would catch a bad value that is taken for something else, or an error that does not say which it is.
#[test]
fn bad_values_are_refused_by_name() {
    for (file, named) in [
        ("[http]\nconnections_max = 0\n", "http.connections_max"),
        ("[http]\nbodies_bytes_max = 1\n", "http.bodies_bytes_max"),
        ("[http]\nhead_timeout_ms = -1\n", "head_timeout_ms"),
        ("[http]\nrequest_timeout_ms = 0\n", "http.request_timeout_ms"),
        ("[http]\nallowed_origins = [\"app.example\"]\n", "http.allowed_origins: \"app.example\""),
        ("[http]\nallowed_origins = \"https://app.example\"\n", "allowed_origins"),
        ("[rate]\nburst_seconds = 0\n", "rate.burst_seconds"),
        ("[export]\nconcurrent_max = 0\n", "export.concurrent_max"),
        ("[export]\nfile_bytes = 0\n", "export.file_bytes"),
        ("listen = \"localhost\"\n", "listen"),
        ("[log]\nfilter = \"auditlake=loud\"\n", "auditlake=loud"),
        ("[log]\nformat = \"xml\"\n", "xml"),
        ("store = \"\"\n", "store"),
    ] {
        let error = refusal(Some(file), &[]);
        assert!(error.contains(named), "{file}: {error}");
    }
    let error = refusal(None, &[("AUDITLAKE_HTTP__DRAIN_MS", "soon")]);
    assert!(error.contains("AUDITLAKE_HTTP__DRAIN_MS") && error.contains("soon"), "{error}");
    assert!(refusal(None, &[("AUDITLAKE_LISTEN", "here")]).contains("socket address"));
}

/// Would catch a list that no variable can set.
#[test]
fn a_variable_lists_with_commas() {
    let listed = |text| {
        let variables = [("AUDITLAKE_HTTP__ALLOWED_ORIGINS", text)];
        load(None, &variables, Flags::default()).unwrap().http.allowed_origins
    };
    assert_eq!(
        listed("https://a.example, http://localhost:5173"),
        ["https://a.example", "http://localhost:5173"]
    );
    assert_eq!(listed("*"), ["*"]);
    assert!(listed("").is_empty());
}

/// Would catch a root key that reaches a log, a printed configuration, or an open port although it is weak.
#[test]
fn the_root_key_is_hidden_and_must_be_strong_in_public() {
    let public = ("AUDITLAKE_LISTEN", "0.0.0.0:8080");
    let weak = load(None, &[("AUDITLAKE_ROOT_KEY", "changeme"), public], Flags::default()).unwrap();
    assert!(!format!("{weak:?}").contains("changeme") && !weak.to_toml().contains("changeme"));
    let refused = weak.check_listen().unwrap_err().to_string();
    assert!(refused.contains("0.0.0.0:8080") && !refused.contains("changeme"), "{refused}");
    let long = crate::telemetry::random_hex::<32>();
    let strong = load(None, &[("AUDITLAKE_ROOT_KEY", long.as_str()), public], Flags::default()).unwrap();
    strong.check_listen().unwrap();
    let local = load(None, &[("AUDITLAKE_ROOT_KEY", "changeme")], Flags::default()).unwrap();
    local.check_listen().unwrap();
}

/// Would catch a printed configuration that cannot be read back, or that misses a field.
#[test]
fn printed_defaults_load_as_they_are() {
    let printed = Config::default().to_toml();
    let loaded = load(Some(&printed), &[], Flags::default()).unwrap();
    assert_eq!(loaded.to_toml(), printed);
    for section in ["[log]", "[http]", "[ingest]", "[rate]", "[background]"] {
        assert!(printed.contains(section), "{section} is missing:\n{printed}");
    }
}
