//! The container files of a project: those of this repository, under the project's name and for its store.

use super::{
    Failure, Store,
    template::{File, Rule, apply, below},
};

/// Where the template keeps them.
const FOLDER: &str = "containers/";

/// The project's name.
const NAMED: [Rule; 6] = [
    Rule::once(
        "Dockerfile",
        "LABEL org.opencontainers.image.title=\"cloakroom-login\" \\\n      \
         org.opencontainers.image.description=\"A login application whose sessions Node's express-session can share\" \\\n      \
         org.opencontainers.image.licenses=\"MIT OR Apache-2.0\"\n",
        "LABEL org.opencontainers.image.title=\"{name}\"\n",
    ),
    Rule::once(
        "docker-compose.yml",
        "\nname: cloakroom\n",
        "\nname: {name}\n",
    ),
    Rule::once(
        "docker-compose.yml",
        "target/debug/cloakroom-login",
        "target/debug/{name}",
    ),
    Rule::once(
        ".devcontainer.json",
        "\"name\": \"cloakroom\"",
        "\"name\": \"{name}\"",
    ),
    Rule::times(3, "docker-build.sh", "cloakroom-login", "{name}"),
    Rule::times(4, "docker-run.sh", "cloakroom-login", "{name}"),
];

/// No Redis server, unless one is named.
const WITHOUT_REDIS: [Rule; 8] = [
    Rule::once(
        "docker-compose.yml",
        "from the sources in this folder, and the Redis server that keeps its sessions.",
        "from the sources in this folder.",
    ),
    Rule::once(
        "docker-compose.yml",
        "PORT and REDIS_PORT, where the two are published on this machine, and SESSION_SECRET and\n# SESSION_MAX_AGE.",
        "PORT, where it is published on this machine, SESSION_SECRET and SESSION_MAX_AGE.",
    ),
    Rule::once(
        "docker-compose.yml",
        "    depends_on:\n      redis_db:\n        condition: service_healthy\n",
        "",
    ),
    Rule::block("docker-compose.yml", "\n  redis_db:\n", "\nvolumes:\n", ""),
    Rule::once("docker-compose.yml", "  redis_data:\n", ""),
    Rule::once(
        "docker-run.sh",
        "\nredis=yes replace",
        "\nredis=${REDIS_HOST:-}${REDIS_URL:-} replace",
    ),
    Rule::once(
        "docker-run.sh",
        "--redis-host) redis_host=$2 ;;",
        "--redis-host) redis_host=$2 redis=yes ;;",
    ),
    Rule::once(
        "docker-run.sh",
        "host of the Redis server [$REDIS_HOST, or host.docker.internal, which is this machine]",
        "keep the sessions on the Redis server of this host [$REDIS_HOST]; host.docker.internal is this machine",
    ),
];

const SQLITE: [Rule; 2] = [
    Rule::once(
        "docker-compose.yml",
        "      - REDIS_HOST=redis_db\n      - REDIS_PORT=6379\n",
        "",
    ),
    Rule::once(
        "docker-run.sh",
        "keep the sessions in the volume NAME-data instead",
        "keep the sessions in the volume NAME-data, as without a host or a REDIS_URL",
    ),
];

const MEMORY: [Rule; 3] = [
    Rule::once(
        "docker-compose.yml",
        "      - REDIS_HOST=redis_db\n      - REDIS_PORT=6379\n",
        "      - SESSION_STORE=memory\n",
    ),
    Rule::once(
        "docker-run.sh",
        "keep the sessions in the volume NAME-data instead",
        "keep the sessions in the process, as without a host or a REDIS_URL",
    ),
    Rule::once(
        "docker-run.sh",
        "options+=(--volume \"$name-data:/data\")",
        "options+=(--env SESSION_STORE=memory)",
    ),
];

/// The files of a project.
pub(super) fn files(name: &str, store: Store) -> Result<Vec<File>, Failure> {
    let mut files = below(FOLDER);
    apply(&NAMED, name, &mut files)?;
    let rules: &[&[Rule]] = match store {
        Store::Redis => &[],
        Store::Sqlite => &[&WITHOUT_REDIS, &SQLITE],
        Store::Memory => &[&WITHOUT_REDIS, &MEMORY],
    };
    for rules in rules {
        apply(rules, name, &mut files)?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(files: &[File], path: &str) -> String {
        let found = files.iter().find(|file| file.path == path);
        found.unwrap_or_else(|| panic!("no {path}")).text.clone()
    }

    #[test]
    fn nothing_is_called_after_the_application() {
        for store in [Store::Sqlite, Store::Redis, Store::Memory] {
            for file in files("shop", store).unwrap() {
                assert!(
                    !file.text.contains("cloakroom"),
                    "{}: {}",
                    file.path,
                    file.text
                );
            }
        }
    }

    #[test]
    fn a_server_stands_beside_the_application_only_where_it_keeps_the_sessions() {
        let compose = |store| text(&files("shop", store).unwrap(), "docker-compose.yml");
        let redis = compose(Store::Redis);
        assert!(redis.contains("name: shop\n") && redis.contains("target/debug/shop"));
        assert!(redis.contains("REDIS_HOST=redis_db") && redis.contains("image: redis:7"));
        for store in [Store::Sqlite, Store::Memory] {
            let compose = compose(store).to_lowercase();
            assert!(!compose.contains("redis"), "{compose}");
            assert!(compose.contains("\nvolumes:\n  target:\n"), "{compose}");
        }
        assert!(compose(Store::Memory).contains("- SESSION_STORE=memory\n"));
        assert!(!compose(Store::Sqlite).contains("SESSION_STORE"));
    }

    #[test]
    fn scripts_can_be_run_and_nothing_else() {
        let mut programs: Vec<_> = files("shop", Store::Sqlite).unwrap();
        programs.retain(File::is_program);
        let paths: Vec<_> = programs.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["docker-build.sh", "docker-run.sh", "scripts/dev"]);
    }
}
