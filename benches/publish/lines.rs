//! What is measured: each line of the table.

use crate::floor::Floor;
use crate::place::Place;

/// One command of a line, for a shell.
pub(crate) struct Command {
    pub(crate) text: String,
    pub(crate) is_ours: bool,
}

/// What is done before each command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// The program is another one.
    Change,
    /// Nobody knows anything of the files.
    Forget,
    /// The flow is registered.
    Register,
}

/// What flowimage does, and what is wanted of it.
pub(crate) struct Ours {
    pub(crate) command: &'static str,
    /// Of the best peer's time.
    pub(crate) goal: f64,
}

pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// Beside the same peers and the same floor.
    pub(crate) ours: &'static [Ours],
    /// Whether it needs the gigabyte.
    pub(crate) data: bool,
    before: Before,
    peers: &'static [&'static str],
    floor: Floor,
}

const REGISTER: &str = "exec $PROGRAM register flow-01 --registry $REGISTRY/ours --quiet";
const BUILDKIT: &str = "DOCKER_BUILDKIT=1 docker build -q -t $REGISTRY/peer/buildkit . && docker push -q $REGISTRY/peer/buildkit";
const CLASSIC: &str =
    "DOCKER_BUILDKIT=0 docker build -q -t $REGISTRY/peer/classic . && docker push -q $REGISTRY/peer/classic";
const BUILDAH: &str = "export STORAGE=\"--root $BUILDAH/root --runroot $BUILDAH/run\" && \
    buildah $STORAGE build -q --layers -t $REGISTRY/peer/buildah . && \
    buildah $STORAGE push -q --tls-verify=false $REGISTRY/peer/buildah";
const PREFECT: &str = "$PREFECT1 $PREFECT1_STORAGE $REGISTRY/peer $PWD/app";
const BUILDKIT_20: &str = "for i in $(seq -w 20); do \
    DOCKER_BUILDKIT=1 docker build -q --build-arg FLOW=flow_$i -t $REGISTRY/peer/flow_$i . && \
    docker push -q $REGISTRY/peer/flow_$i || exit 1; done";
const BUILDKIT_20_RUN: &str = "for i in $(seq -w 20); do \
    DOCKER_BUILDKIT=1 docker build -q --build-arg FLOW=flow_$i -t $REGISTRY/peer/flow_$i . && \
    docker run --rm --entrypoint /bin/true $REGISTRY/peer/flow_$i && \
    docker push -q $REGISTRY/peer/flow_$i || exit 1; done";

pub(crate) fn all() -> Vec<Line> {
    vec![
        // First: later, the project has the gigabyte, and what is known of its files.
        Line {
            name: "start-up: plan of a small flow",
            ours: &[Ours {
                command: "exec $PROGRAM plan flow-01 --registry $REGISTRY/ours --quiet",
                goal: 0.5,
            }],
            data: false,
            before: Before::Register,
            peers: &["exec docker image inspect debian:bookworm-slim"],
            floor: Floor::Known {
                images: 0,
                files: false,
            },
        },
        Line {
            name: "unchanged",
            ours: &[Ours {
                command: REGISTER,
                goal: 0.12,
            }],
            data: false,
            before: Before::Nothing,
            peers: &[BUILDKIT, CLASSIC, BUILDAH, PREFECT],
            floor: Floor::Known {
                images: 1,
                files: false,
            },
        },
        Line {
            name: "unchanged: 20 flows of one program",
            ours: &[Ours {
                command: "exec $PROGRAM register $(seq -f flow-%02g 20) --registry $REGISTRY/ours --quiet",
                goal: 0.03,
            }],
            data: false,
            before: Before::Nothing,
            peers: &[BUILDKIT_20],
            floor: Floor::Known {
                images: 20,
                files: false,
            },
        },
        Line {
            name: "unchanged: 20,000 files, 1 GB",
            ours: &[Ours {
                command: "exec $PROGRAM register with-data --registry $REGISTRY/ours --quiet --no-check",
                goal: 0.18,
            }],
            data: true,
            before: Before::Nothing,
            peers: &[
                "cd ../context-data && DOCKER_BUILDKIT=1 docker build -q -t $REGISTRY/peer/data . && \
                docker push -q $REGISTRY/peer/data",
            ],
            floor: Floor::Known {
                images: 1,
                files: true,
            },
        },
        Line {
            name: "changed program: pushed",
            ours: &[Ours {
                command: "exec $PROGRAM register flow-01 --registry $REGISTRY/ours --quiet --no-check --engine none",
                goal: 0.27,
            }],
            data: false,
            before: Before::Change,
            peers: &[BUILDKIT, CLASSIC, BUILDAH, PREFECT],
            floor: Floor::Publish {
                images: 1,
                load: false,
                containers: 0,
            },
        },
        Line {
            name: "changed program: pushed and in the engine",
            ours: &[Ours {
                command: "exec $PROGRAM register flow-01 --registry $REGISTRY/ours --quiet --no-check --load",
                goal: 0.53,
            }],
            data: false,
            before: Before::Change,
            peers: &[BUILDKIT, CLASSIC],
            floor: Floor::Publish {
                images: 1,
                load: true,
                containers: 0,
            },
        },
        Line {
            name: "changed program: checked and pushed",
            ours: &[Ours {
                command: "exec $PROGRAM register flow-01 --registry $REGISTRY/ours --quiet",
                goal: 0.65,
            }],
            data: false,
            before: Before::Change,
            peers: &[
                "DOCKER_BUILDKIT=1 docker build -q -t $REGISTRY/peer/buildkit . && \
                docker run --rm --entrypoint /bin/true $REGISTRY/peer/buildkit && \
                docker push -q $REGISTRY/peer/buildkit",
            ],
            floor: Floor::Publish {
                images: 1,
                load: true,
                containers: 1,
            },
        },
        Line {
            name: "changed program: 20 flows pushed",
            ours: &[Ours {
                command: "exec $PROGRAM register $(seq -f flow-%02g 20) --registry $REGISTRY/ours --quiet --no-check",
                goal: 0.15,
            }],
            data: false,
            before: Before::Change,
            peers: &[BUILDKIT_20],
            floor: Floor::Publish {
                images: 20,
                load: false,
                containers: 0,
            },
        },
        Line {
            name: "changed program: 20 flows checked and pushed",
            ours: &[Ours {
                command: "exec $PROGRAM register $(seq -f flow-%02g 20) --registry $REGISTRY/ours --quiet",
                goal: 0.12,
            }],
            data: false,
            before: Before::Change,
            peers: &[BUILDKIT_20_RUN],
            floor: Floor::Publish {
                images: 20,
                load: true,
                containers: 20,
            },
        },
        Line {
            name: "first publication of 1 GB",
            ours: &[
                Ours {
                    command: "exec $PROGRAM register with-data --registry $REGISTRY/fresh-$ROUND --quiet --no-check --engine none",
                    goal: 0.2,
                },
                Ours {
                    command: "exec $PROGRAM register with-data --registry $REGISTRY/fresh-$ROUND --quiet --no-check --load",
                    goal: 0.4,
                },
            ],
            data: true,
            before: Before::Forget,
            peers: &["cd ../context-data && \
                DOCKER_BUILDKIT=1 docker build -q --no-cache -t $REGISTRY/fresh-$ROUND/data . && \
                docker push -q $REGISTRY/fresh-$ROUND/data"],
            floor: Floor::Tree,
        },
    ]
}

impl Line {
    /// Ours first.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let peers = self.peers.iter().map(|text| (*text, false));
        let ours = self.ours.iter().map(|ours| (ours.command, true));
        ours.chain(peers)
            .map(|(text, is_ours)| Command {
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                is_ours,
            })
            .collect()
    }

    pub(crate) fn rounds(&self) -> usize {
        let wanted = std::env::var("FLOWIMAGE_BENCH_ROUNDS").ok();
        wanted.and_then(|it| it.parse().ok()).unwrap_or(11)
    }

    pub(crate) fn before(&self, place: &Place, is_ours: bool) {
        match self.before {
            Before::Nothing => {}
            Before::Change => place.change_program(is_ours),
            Before::Forget => place.forget(),
            Before::Register => drop(place.run(REGISTER, true)),
        }
    }

    pub(crate) fn after(&self, place: &Place, _is_ours: bool) {
        if self.before == Before::Forget {
            place.tidy();
        }
    }

    pub(crate) fn floor(&self, place: &Place) -> f64 {
        self.floor.measure(place)
    }

    pub(crate) fn floor_words(&self) -> String {
        self.floor.to_string()
    }
}
