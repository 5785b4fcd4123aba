CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','mlruns/0','active',1796036363496,1796036363496,'default');
INSERT INTO "experiments" VALUES(1,'shapes','mlruns/1','active',1796036363547,1796036363547,'default');
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('train_loss',2.0,1796036363787,'da36c307a8784838868425673945047b',0,0);
INSERT INTO "metrics" VALUES('val_loss',1.0,1796036363847,'da36c307a8784838868425673945047b',0,0);
INSERT INTO "metrics" VALUES('val_acc',0.0,1796036363847,'da36c307a8784838868425673945047b',0,0);
INSERT INTO "metrics" VALUES('train_loss',1.0,1796036363924,'da36c307a8784838868425673945047b',1,0);
INSERT INTO "metrics" VALUES('val_loss',0.5,1796036364007,'da36c307a8784838868425673945047b',1,0);
INSERT INTO "metrics" VALUES('val_acc',0.3,1796036364007,'da36c307a8784838868425673945047b',1,0);
INSERT INTO "metrics" VALUES('train_loss',6.66666666666666629659e-01,1796036364085,'da36c307a8784838868425673945047b',2,0);
INSERT INTO "metrics" VALUES('val_loss',3.33333333333333314829e-01,1796036364154,'da36c307a8784838868425673945047b',2,0);
INSERT INTO "metrics" VALUES('val_acc',0.6,1796036364154,'da36c307a8784838868425673945047b',2,0);
INSERT INTO "metrics" VALUES('train_loss',2.0,1796036364308,'5c63d22627a84e6a9302c46655d4d97b',0,0);
INSERT INTO "metrics" VALUES('val_loss',1.0,1796036364361,'5c63d22627a84e6a9302c46655d4d97b',0,0);
INSERT INTO "metrics" VALUES('val_acc',0.0,1796036364361,'5c63d22627a84e6a9302c46655d4d97b',0,0);
INSERT INTO "metrics" VALUES('train_loss',1.0,1796036364399,'5c63d22627a84e6a9302c46655d4d97b',1,0);
INSERT INTO "metrics" VALUES('val_loss',0.5,1796036364419,'5c63d22627a84e6a9302c46655d4d97b',1,0);
INSERT INTO "metrics" VALUES('val_acc',0.3,1796036364419,'5c63d22627a84e6a9302c46655d4d97b',1,0);
INSERT INTO "metrics" VALUES('train_loss',6.66666666666666629659e-01,1796036364441,'5c63d22627a84e6a9302c46655d4d97b',2,0);
INSERT INTO "metrics" VALUES('val_loss',3.33333333333333314829e-01,1796036364467,'5c63d22627a84e6a9302c46655d4d97b',2,0);
INSERT INTO "metrics" VALUES('val_acc',0.6,1796036364467,'5c63d22627a84e6a9302c46655d4d97b',2,0);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('lr','0.1','da36c307a8784838868425673945047b');
INSERT INTO "params" VALUES('batch_size','32','da36c307a8784838868425673945047b');
INSERT INTO "params" VALUES('epochs','3','da36c307a8784838868425673945047b');
INSERT INTO "params" VALUES('optimizer','SGD','da36c307a8784838868425673945047b');
INSERT INTO "params" VALUES('lr','0.1','5c63d22627a84e6a9302c46655d4d97b');
INSERT INTO "params" VALUES('batch_size','32','5c63d22627a84e6a9302c46655d4d97b');
INSERT INTO "params" VALUES('epochs','3','5c63d22627a84e6a9302c46655d4d97b');
INSERT INTO "params" VALUES('optimizer','SGD','5c63d22627a84e6a9302c46655d4d97b');
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('da36c307a8784838868425673945047b','good','UNKNOWN','','','someone','FINISHED',1796036363627,1796036364199,'','active','mlruns/1/da36c307a8784838868425673945047b/artifacts',1,NULL);
INSERT INTO "runs" VALUES('5c63d22627a84e6a9302c46655d4d97b','bad','UNKNOWN','','','someone','FAILED',1796036364227,1796036364487,'','active','mlruns/1/5c63d22627a84e6a9302c46655d4d97b/artifacts',1,NULL);
